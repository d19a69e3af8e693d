"""The one card that represents every network on the Hugging Face hub. Light: the networks are in model.py."""

from __future__ import annotations

from brainbench import BackboneCard, hookimpl, lazy

CARD = BackboneCard(
    name="hf/<hub id or folder>",
    pattern="hf/*",
    expand=lazy("brainbench_hf.names:card"),
    loader=lazy("brainbench_hf.model:load"),
    summary="an image network of transformers, e.g. hf/facebook/dinov2-base, hf//absolute/folder or hf/./folder",
    libraries=("transformers",),
    weights="see the hub",
)


@hookimpl
def register_backbones() -> list[BackboneCard]:
    """The name pattern."""
    return [CARD]
