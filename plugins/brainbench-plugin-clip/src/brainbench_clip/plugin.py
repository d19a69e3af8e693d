"""The CLIP cards. Light: the networks are in model.py."""

from __future__ import annotations

from functools import partial
from typing import Any

from brainbench import BackboneCard, hookimpl, lazy, shipped

# The names open_clip gives its checkpoints on the hub, the safe format first.
FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
CLIP = (
    "Alec Radford and others (2021). Learning Transferable Visual Models From Natural Language Supervision. ICML. "
    "arXiv:2103.00020"
)
DATACOMP = (
    "Samir Yitzhak Gadre and others (2023). DataComp: In search of the next generation of multimodal datasets. NeurIPS. "
    "arXiv:2304.14108"
)


def _card(name: str, architecture: str, **facts: Any) -> BackboneCard:
    return BackboneCard(
        name=name,
        loader=partial(lazy("brainbench_clip.model:load"), name=name, architecture=architecture),
        libraries=("open_clip_torch",),
        normalisation="CLIP",
        taps=("block", "attention"),
        objective="contrastive, image and text",
        licence="MIT",
        citation=f"{CLIP}\n{DATACOMP}" if "datacomp" in name else CLIP,
        **facts,
    )


def _released(name: str, architecture: str, tag: str, **facts: Any) -> BackboneCard:
    return _card(name, architecture, weights=tag, files=FILES, **facts)


def _openai(name: str, architecture: str, source: str, download_mb: float, **facts: Any) -> BackboneCard:
    # OpenAI trained with QuickGELU; under the plain name open_clip would run GELU on these weights and only warn.
    return _released(
        name,
        f"{architecture}-quickgelu",
        "openai",
        summary=f"{architecture[:5]}/{architecture[6:8]}{' at 336 px' * architecture.endswith('336')}, the original CLIP of OpenAI",
        training_data="WIT (400 million image-text pairs, not public)",
        source=source,
        download_mb=download_mb,
        **facts,
    )


_BASE: dict[str, Any] = {"layers": 12, "width": 768, "input_size": 224}
_BASE_16: dict[str, Any] = _BASE | {"patch": 16, "parameters": 86_192_640, "gflops": 35.1}
_BASE_32: dict[str, Any] = _BASE | {"patch": 32, "parameters": 87_849_216, "gflops": 8.8}

_LARGE_14: dict[str, Any] = {"layers": 24, "width": 1024, "patch": 14, "input_size": 224} | {
    "parameters": 303_966_208,
    "gflops": 162.0,
}

CARDS = [
    _released(
        "clip/vit-l-14-datacomp-xl",
        "ViT-L-14",
        "datacomp_xl_s13b_b90k",
        summary="ViT-L/14, DataComp XL",
        training_data="DataComp-1B (1.4 billion image-text pairs)",
        source="laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
        download_mb=1710,
        **_LARGE_14,
    ),
    _released(
        "clip/vit-b-16-datacomp-l",
        "ViT-B-16",
        "datacomp_l_s1b_b8k",
        summary="ViT-B/16, DataComp L",
        default=True,
        training_data="DataComp L (140 million image-text pairs)",
        source="laion/CLIP-ViT-B-16-DataComp.L-s1B-b8K",
        download_mb=600,
        **_BASE_16,
    ),
    _released(
        "clip/vit-b-32-datacomp-m",
        "ViT-B-32",
        "datacomp_m_s128m_b4k",
        summary="ViT-B/32, DataComp M",
        training_data="DataComp M (14 million image-text pairs)",
        source="laion/CLIP-ViT-B-32-DataComp.M-s128M-b4K",
        download_mb=610,
        **_BASE_32,
    ),
    _released(
        "clip/vit-b-32-datacomp-s",
        "ViT-B-32",
        "datacomp_s_s13m_b4k",
        summary="ViT-B/32, DataComp S",
        training_data="DataComp S (1.4 million image-text pairs)",
        source="laion/CLIP-ViT-B-32-DataComp.S-s13M-b4K",
        download_mb=610,
        **_BASE_32,
    ),
    _openai("clip/vit-b-16-openai", "ViT-B-16", "timm/vit_base_patch16_clip_224.openai", 600, **_BASE_16),
    _openai("clip/vit-b-32-openai", "ViT-B-32", "timm/vit_base_patch32_clip_224.openai", 605, **_BASE_32),
    _openai("clip/vit-l-14-openai", "ViT-L-14", "timm/vit_large_patch14_clip_224.openai", 1710, **_LARGE_14),
    _openai(
        "clip/vit-l-14-336-openai",
        "ViT-L-14-336",
        "timm/vit_large_patch14_clip_336.openai",
        1711,
        **_LARGE_14 | {"input_size": 336, "parameters": 304_293_888, "gflops": 381.9},
    ),
    _card(
        "clip/mini",
        "mini",
        summary="the same class, 12 layers of 96 channels at 64 px, trained on scenes like those of the demo",
        mini=True,
        layers=12,
        width=96,
        patch=8,
        input_size=64,
        parameters=1_376_448,
        gflops=0.19,
        **shipped("brainbench_clip"),
    ),
]


@hookimpl
def register_backbones() -> list[BackboneCard]:
    """The CLIP image encoders."""
    return CARDS
