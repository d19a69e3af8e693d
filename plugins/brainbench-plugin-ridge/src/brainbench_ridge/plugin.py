"""The ridge cards. Light: the regressions are in the other modules."""

from __future__ import annotations

from functools import partial

from brainbench import EncoderCard, Setting, hookimpl, lazy

_SETTINGS = (
    Setting("pool", int, 8, "grid to which local tokens are averaged, n x n", (1, 2, 4, 8)),
    Setting("folds", int, 5, "parts of the cross-validation; repeats of an image stay together", minimum=2),
)


HIMALAYA = (
    "Tom Dupré la Tour and Michael Eickenberg and Anwar O. Nunez-Elizalde and Jack L. Gallant (2022). "
    "Feature-space selection with banded ridge regression. NeuroImage 264, 119728"
)


def _card(name: str, kind: str, summary: str, *more: Setting, selectors: tuple[str, ...] = ()) -> EncoderCard:
    return EncoderCard(
        name=name,
        loader=partial(lazy("brainbench_ridge.encoder:load"), kind=kind),
        summary=summary,
        settings=(*_SETTINGS, *more),
        libraries=("himalaya",),
        citation=HIMALAYA,
        selectors=selectors,
        rereads=True,
    )


CARDS = [
    _card("ridge", "joint", "ridge on the pooled tokens of all layers together; a penalty for every voxel"),
    _card(
        "ridge/best-layer",
        "best",
        "a ridge for every layer; a voxel takes the layer that predicts it best in cross-validation",
        selectors=("layer",),
    ),
    _card(
        "ridge/banded",
        "banded",
        "ridge with a penalty for every layer and voxel; the layers' shares are its layer profile",
        Setting("draws", int, 50, "random draws of the layers' shares", minimum=1),
        selectors=("layer",),
    ),
]


@hookimpl
def register_encoders() -> list[EncoderCard]:
    """All ridge cards."""
    return CARDS
