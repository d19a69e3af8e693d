"""The ridge cards. Light: the regressions are in the other modules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from brainbench import EncoderCard, Setting, hookimpl, lazy

_SETTINGS = (
    Setting("pool", int, 8, "grid to which local tokens are averaged, n x n", (1, 2, 4, 8)),
    Setting("folds", int, 5, "parts of the cross-validation; repeats of an image stay together", minimum=2),
)


# Of the regressions' own code: two blocks of tokens and their product, and a batch of penalties (``kernels``, ``solve``).
_BLOCKS = 4 * (2 << 26) + 4 * (1 << 26)


def memory(
    *, images: int, test: int, voxels: int, layers: int, channels: int, settings: Mapping[str, Any], kind: str
) -> float:
    """Bytes that a fit takes at its peak: responses, weights of images, kernels, and two blocks of tokens."""
    # The weights of ridge take the place of the responses; the best layer's stay beside those of the layer at hand; himalaya
    # holds them twice.
    responses = 4 * images * voxels * (1 if kind == "joint" else 3)
    kernel = 4 * images**2
    # One kernel with its decomposition, or those of all layers with the mixture of each draw.
    kernels = kernel * (2 * layers + 4 if kind == "banded" else 6)
    return float(responses + kernels + _BLOCKS + 8 * test * voxels)


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
        memory=partial(memory, kind=kind),
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
