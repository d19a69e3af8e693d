"""The DINOv2 cards. Light: the networks are in model.py."""

from __future__ import annotations

from functools import partial
from typing import Any

from brainbench import BackboneCard, hookimpl, lazy, shipped

# The names timm gives its checkpoints on the hub, the safe format first.
FILES = ("model.safetensors", "pytorch_model.bin")
DINOV2 = (
    "Maxime Oquab and others (2024). DINOv2: Learning Robust Visual Features without Supervision. "
    "Transactions on Machine Learning Research. arXiv:2304.07193"
)
REGISTERS = (
    "Timothée Darcet and Maxime Oquab and Julien Mairal and Piotr Bojanowski (2024). Vision Transformers Need Registers. "
    "ICLR. arXiv:2309.16588"
)


def _card(name: str, architecture: str, **facts: Any) -> BackboneCard:
    return BackboneCard(
        name=name,
        loader=partial(lazy("brainbench_dinov2.model:load"), name=name, architecture=architecture),
        libraries=("timm",),
        normalisation="ImageNet",
        taps=("block", "attention"),
        objective="self-distillation",
        licence="Apache-2.0",
        citation=f"{DINOV2}\n{REGISTERS}" if "reg" in architecture or architecture == "mini" else DINOV2,
        **facts,
    )


def _released(name: str, architecture: str, summary: str, **facts: Any) -> BackboneCard:
    return _card(
        name,
        architecture,
        summary=f"DINOv2 {summary}",
        patch=14,
        input_size=224,
        training_data="LVD-142M (142 million images, not public)",
        weights="lvd142m",
        source=f"timm/{architecture}.lvd142m",
        files=FILES,
        **facts,
    )


_SMALL: dict[str, Any] = {"layers": 12, "width": 384, "download_mb": 88}
_BASE: dict[str, Any] = {"layers": 12, "width": 768, "download_mb": 346}
_LARGE: dict[str, Any] = {"layers": 24, "width": 1024, "download_mb": 1217}
_GIANT: dict[str, Any] = {"layers": 40, "width": 1536, "download_mb": 4546}

CARDS = [
    _released(
        "dinov2/vit-b-14",
        "vit_base_patch14_dinov2",
        "ViT-B/14",
        default=True,
        parameters=85_724_928,
        gflops=46.3,
        **_BASE,
    ),
    _released(
        "dinov2/vit-s-14",
        "vit_small_patch14_dinov2",
        "ViT-S/14",
        parameters=21_628_800,
        gflops=12.2,
        **_SMALL,
    ),
    _released(
        "dinov2/vit-l-14", "vit_large_patch14_dinov2", "ViT-L/14", parameters=303_227_904, gflops=162.0, **_LARGE
    ),
    _released(
        "dinov2/vit-g-14", "vit_giant_patch14_dinov2", "ViT-g/14", parameters=1_134_769_664, gflops=598.8, **_GIANT
    ),
    _released(
        "dinov2/vit-b-14-reg",
        "vit_base_patch14_reg4_dinov2",
        "ViT-B/14 with 4 registers",
        parameters=85_727_232,
        gflops=47.1,
        **_BASE,
    ),
    _released(
        "dinov2/vit-s-14-reg",
        "vit_small_patch14_reg4_dinov2",
        "ViT-S/14 with 4 registers",
        parameters=21_629_952,
        gflops=12.5,
        **_SMALL,
    ),
    _released(
        "dinov2/vit-l-14-reg",
        "vit_large_patch14_reg4_dinov2",
        "ViT-L/14 with 4 registers",
        parameters=303_230_976,
        gflops=164.6,
        **_LARGE,
    ),
    _released(
        "dinov2/vit-g-14-reg",
        "vit_giant_patch14_reg4_dinov2",
        "ViT-g/14 with 4 registers",
        parameters=1_134_774_272,
        gflops=608.3,
        **_GIANT,
    ),
    _card(
        "dinov2/mini",
        "mini",
        summary="the same class with 4 registers, 12 layers of 96 channels at 64 px, trained on scenes like those of the demo",
        mini=True,
        layers=12,
        width=96,
        patch=8,
        input_size=64,
        parameters=1_369_728,
        gflops=0.19,
        **shipped("brainbench_dinov2"),
    ),
]


@hookimpl
def register_backbones() -> list[BackboneCard]:
    """DINOv2, with and without registers."""
    return CARDS
