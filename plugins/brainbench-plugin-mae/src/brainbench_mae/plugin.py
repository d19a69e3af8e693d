"""The cards of masked autoencoders. Light: the networks are in model.py."""

from __future__ import annotations

from functools import partial
from typing import Any

from brainbench import BackboneCard, hookimpl, lazy, shipped

# The names timm gives its checkpoints on the hub, the safe format first.
FILES = ("model.safetensors", "pytorch_model.bin")
MAE = (
    "Kaiming He and Xinlei Chen and Saining Xie and Yanghao Li and Piotr Dollár and Ross Girshick (2022). "
    "Masked Autoencoders Are Scalable Vision Learners. CVPR. arXiv:2111.06377"
)


def _card(name: str, architecture: str, **facts: Any) -> BackboneCard:
    return BackboneCard(
        name=name,
        loader=partial(lazy("brainbench_mae.model:load"), name=name, architecture=architecture),
        libraries=("timm",),
        normalisation="ImageNet",
        taps=("block", "attention"),
        objective="masked autoencoding",
        citation=MAE,
        **facts,
    )


def _released(name: str, architecture: str, **facts: Any) -> BackboneCard:
    return _card(
        name,
        architecture,
        input_size=224,
        training_data="ImageNet-1k (1.28 million images)",
        licence="CC-BY-NC-4.0",
        weights="mae",
        source=f"timm/{architecture}.mae",
        files=FILES,
        **facts,
    )


CARDS = [
    _released(
        "mae/vit-b-16",
        "vit_base_patch16_224",
        summary="MAE ViT-B/16",
        default=True,
        layers=12,
        width=768,
        patch=16,
        parameters=85_798_656,
        gflops=35.1,
        download_mb=343,
    ),
    _released(
        "mae/vit-l-16",
        "vit_large_patch16_224",
        summary="MAE ViT-L/16",
        layers=24,
        width=1024,
        patch=16,
        parameters=303_301_632,
        gflops=123.1,
        download_mb=1213,
    ),
    # The release has patches of 14 pixels; 16 is the side of its grid.
    _released(
        "mae/vit-h-14",
        "vit_huge_patch14_224",
        summary="MAE ViT-H/14",
        layers=32,
        width=1280,
        patch=14,
        parameters=630_764_800,
        gflops=334.6,
        download_mb=2523,
    ),
    _card(
        "mae/mini",
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
        **shipped("brainbench_mae"),
    ),
]


@hookimpl
def register_backbones() -> list[BackboneCard]:
    """The encoders of masked autoencoders."""
    return CARDS
