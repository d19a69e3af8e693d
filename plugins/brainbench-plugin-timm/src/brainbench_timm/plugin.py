"""The one card that represents all names of timm. Light: timm is queried in names.py, the networks are in model.py."""

from __future__ import annotations

from brainbench import BackboneCard, hookimpl, lazy

CARD = BackboneCard(
    name="timm/<name>",
    pattern="timm/*",
    expand=lazy("brainbench_timm.names:card"),
    loader=lazy("brainbench_timm.model:load"),
    summary="any network of timm, e.g. timm/resnet18 or timm/vit_base_patch16_224.augreg_in1k",
    libraries=("timm",),
    weights="see timm",
    taps=("block", "attention"),
)


@hookimpl
def register_backbones() -> list[BackboneCard]:
    """The name pattern."""
    return [CARD]
