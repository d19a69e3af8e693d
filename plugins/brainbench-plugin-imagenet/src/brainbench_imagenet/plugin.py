"""The ImageNet cards. Light: the networks are in model.py."""

from __future__ import annotations

from functools import partial
from typing import Any

from brainbench import BackboneCard, hookimpl, lazy, shipped

VIT = (
    "Alexey Dosovitskiy and others (2021). An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale. "
    "ICLR. arXiv:2010.11929"
)


def _card(name: str, architecture: str, **facts: Any) -> BackboneCard:
    return BackboneCard(
        name=name,
        loader=partial(lazy("brainbench_imagenet.model:load"), name=name, architecture=architecture),
        libraries=("torchvision",),
        normalisation="ImageNet",
        taps=("block", "attention"),
        objective="supervised classification",
        citation=VIT,
        **{"licence": "BSD-3-Clause (code); none stated for the weights", **facts},
    )


CARDS = [
    _card(
        "imagenet/vit-b-16",
        "vit_b_16",
        summary="ViT-B/16, ImageNet-1k (81.07 % top-1)",
        default=True,
        layers=12,
        width=768,
        patch=16,
        input_size=224,
        parameters=85_798_656,
        gflops=35.1,
        training_data="ImageNet-1k (1.28 million images)",
        weights="IMAGENET1K_V1",
        source="https://download.pytorch.org/models/vit_b_16-c867db91.pth",
        sha256="c867db91",
        download_mb=346,
    ),
    _card(
        "imagenet/vit-l-16",
        "vit_l_16",
        summary="ViT-L/16, ImageNet-1k (79.66 % top-1)",
        layers=24,
        width=1024,
        patch=16,
        input_size=224,
        parameters=303_301_632,
        gflops=123.1,
        training_data="ImageNet-1k (1.28 million images)",
        weights="IMAGENET1K_V1",
        source="https://download.pytorch.org/models/vit_l_16-852ce7e3.pth",
        sha256="852ce7e3",
        download_mb=1217,
    ),
    _card(
        "imagenet/mini",
        "mini",
        summary="the same class, 12 layers of 96 channels at 64 px, trained on scenes like those of the demo",
        mini=True,
        layers=12,
        width=96,
        patch=8,
        input_size=64,
        parameters=1_367_136,
        gflops=0.19,
        licence="MIT",
        **shipped("brainbench_imagenet"),
    ),
]


@hookimpl
def register_backbones() -> list[BackboneCard]:
    """The vision transformers trained on ImageNet."""
    return CARDS
