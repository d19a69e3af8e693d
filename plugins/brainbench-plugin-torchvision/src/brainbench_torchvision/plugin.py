"""The one card for all names of torchvision. Light: torchvision is queried in names.py, the networks are in model.py."""

from __future__ import annotations

from brainbench import BackboneCard, hookimpl, lazy

CARD = BackboneCard(
    name="torchvision/<name>",
    pattern="torchvision/*",
    expand=lazy("brainbench_torchvision.names:card"),
    loader=lazy("brainbench_torchvision.model:load"),
    summary="a network of torchvision, e.g. torchvision/alexnet or torchvision/resnet50.IMAGENET1K_V1",
    libraries=("torchvision",),
    weights="see torchvision",
    taps=("block", "attention"),
)


@hookimpl
def register_backbones() -> list[BackboneCard]:
    """The name pattern."""
    return [CARD]
