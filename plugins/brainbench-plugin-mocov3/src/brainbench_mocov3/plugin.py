"""The MoCo v3 cards. Light: the networks are in model.py."""

from __future__ import annotations

from functools import partial
from typing import Any

from brainbench import BackboneCard, Setting, hookimpl, lazy, shipped

OPENMMLAB = "https://download.openmmlab.com/mmselfsup/1.x/mocov3/"
FACEBOOK = "https://dl.fbaipublicfiles.com/moco-v3/"
MOCOV3 = (
    "Xinlei Chen and Saining Xie and Kaiming He (2021). An Empirical Study of Training Self-Supervised Vision Transformers. "
    "ICCV. arXiv:2104.02057"
)
IMAGENET = "ImageNet-1k without labels (1.28 million images)"
LIBRARY = Setting(
    "library",
    str,
    "mmpretrain",
    "what builds and runs the network; from the same weights both read the same tokens",
    ("mmpretrain", "timm"),
)


def _card(name: str, architecture: str, layout: str, **facts: Any) -> BackboneCard:
    return BackboneCard(
        name=name,
        loader=partial(lazy("brainbench_mocov3.model:load"), name=name, architecture=architecture, layout=layout),
        normalisation="ImageNet",
        taps=("block", "attention"),
        objective="contrastive, without labels",
        citation=MOCOV3,
        **facts,
    )


def _in_their_layout(name: str, architecture: str, **facts: Any) -> BackboneCard:
    libraries = ("mmpretrain", "mmcv-lite", "timm")
    return _card(
        name, architecture, "openmmlab", settings=(LIBRARY,), libraries=libraries, licence="Apache-2.0", **facts
    )


def _openmmlab(name: str, architecture: str, file: str, **facts: Any) -> BackboneCard:
    return _in_their_layout(
        name,
        architecture,
        source=f"{OPENMMLAB}{file.partition('-224_')[0]}/{file}",
        # OpenMMLab ends its files' names in the first digits of their sha256 (mmengine's publish_model).
        sha256=file.removesuffix(".pth").rpartition("-")[2],
        training_data=IMAGENET,
        weights="openmmlab-300ep",
        **facts,
    )


def _facebook(name: str, architecture: str, file: str, **facts: Any) -> BackboneCard:
    return _card(
        name,
        architecture,
        "facebook",
        source=FACEBOOK + file,
        training_data=IMAGENET,
        libraries=("timm",),
        licence="CC-BY-NC-4.0",
        weights="facebook-300ep",
        **facts,
    )


_AT_224: dict[str, Any] = {"patch": 16, "input_size": 224}
_SMALL: dict[str, Any] = _AT_224 | {"layers": 12, "width": 384, "parameters": 21_665_664, "gflops": 9.2}
_BASE: dict[str, Any] = _AT_224 | {"layers": 12, "width": 768, "parameters": 85_798_656, "gflops": 35.1}
_LARGE: dict[str, Any] = _AT_224 | {"layers": 24, "width": 1024, "parameters": 303_301_632, "gflops": 123.1}

CARDS = [
    _openmmlab(
        "mocov3/vit-b-16",
        "base",
        "mocov3_vit-base-p16_16xb256-amp-coslr-300e_in1k-224_20220826-25213343.pth",
        summary="ViT-B/16, MoCo v3, OpenMMLab's own training",
        default=True,
        download_mb=860,
        **_BASE,
    ),
    _openmmlab(
        "mocov3/vit-s-16",
        "small",
        "mocov3_vit-small-p16_16xb256-amp-coslr-300e_in1k-224_20220826-08bc52f7.pth",
        summary="ViT-S/16 of 12 heads, MoCo v3, OpenMMLab's own training",
        download_mb=340,
        **_SMALL,
    ),
    _openmmlab(
        "mocov3/vit-l-16",
        "large",
        "mocov3_vit-large-p16_64xb64-amp-coslr-300e_in1k-224_20220829-9b88a442.pth",
        summary="ViT-L/16, MoCo v3, OpenMMLab's own training (Facebook released none)",
        download_mb=2600,
        **_LARGE,
    ),
    _facebook(
        "mocov3/vit-s-16-fb",
        "small",
        "vit-s-300ep/vit-s-300ep.pth.tar",
        summary="ViT-S/16 of 12 heads, MoCo v3, Facebook's original training",
        download_mb=400,
        **_SMALL,
    ),
    _facebook(
        "mocov3/vit-b-16-fb",
        "base",
        "vit-b-300ep/vit-b-300ep.pth.tar",
        summary="ViT-B/16, MoCo v3, Facebook's original training",
        download_mb=1700,
        **_BASE,
    ),
    _in_their_layout(
        "mocov3/mini",
        "mini",
        summary="the same class, 12 layers of 96 channels at 64 px, trained on scenes like those of the demo",
        mini=True,
        layers=12,
        width=96,
        patch=8,
        input_size=64,
        parameters=1_367_136,
        gflops=0.19,
        **shipped("brainbench_mocov3"),
    ),
]


@hookimpl
def register_backbones() -> list[BackboneCard]:
    """The vision transformers trained by MoCo v3."""
    return CARDS
