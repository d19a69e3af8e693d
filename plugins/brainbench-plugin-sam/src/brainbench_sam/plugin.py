"""The Segment Anything cards. Light: the networks are in model.py."""

from __future__ import annotations

from functools import partial
from typing import Any

from brainbench import BackboneCard, Setting, hookimpl, lazy, shipped

HOST = "https://dl.fbaipublicfiles.com/segment_anything/"
SAM = "Alexander Kirillov and others (2023). Segment Anything. ICCV. arXiv:2304.02643"
LIBRARY = Setting(
    "library",
    str,
    "segment-anything",
    "what builds and runs the network; from the same weights both read the same tokens",
    ("segment-anything", "timm"),
)


def _card(name: str, architecture: str, **facts: Any) -> BackboneCard:
    return BackboneCard(
        name=name,
        loader=partial(lazy("brainbench_sam.model:load"), name=name, architecture=architecture),
        settings=(LIBRARY,),
        libraries=("segment-anything", "timm"),
        normalisation="ImageNet",
        taps=("block", "attention"),
        objective="promptable segmentation",
        citation=SAM,
        licence="Apache-2.0",
        **facts,
    )


def _released(name: str, architecture: str, file: str, **facts: Any) -> BackboneCard:
    data = "SA-1B (11 million images, 1.1 billion masks)"
    return _card(name, architecture, weights="sa1b", source=HOST + file, training_data=data, **facts)


# Six digits in the names of the files are of their md5; the sha256 are those of the files as Meta serves them.
CARDS = [
    _released(
        "sam/vit-b",
        "vit_b",
        "sam_vit_b_01ec64.pth",
        summary="ViT-B/16 at 1024 px, Segment Anything",
        default=True,
        layers=12,
        width=768,
        patch=16,
        input_size=1024,
        parameters=88_883_456,
        gflops=972.0,
        sha256="ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        download_mb=375,
    ),
    _released(
        "sam/vit-l",
        "vit_l",
        "sam_vit_l_0b3195.pth",
        summary="ViT-L/16 at 1024 px, Segment Anything",
        layers=24,
        width=1024,
        patch=16,
        input_size=1024,
        parameters=307_425_280,
        gflops=2986.0,
        sha256="3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        download_mb=1250,
    ),
    _released(
        "sam/vit-h",
        "vit_h",
        "sam_vit_h_4b8939.pth",
        summary="ViT-H/16 at 1024 px, Segment Anything",
        layers=32,
        width=1280,
        patch=16,
        input_size=1024,
        parameters=636_107_520,
        gflops=5961.0,
        sha256="a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        download_mb=2565,
    ),
    _card(
        "sam/mini",
        "mini",
        summary="the same class, 12 layers of 96 channels at 64 px, trained on scenes like those of the demo",
        mini=True,
        layers=12,
        width=96,
        patch=8,
        input_size=64,
        parameters=1_374_176,
        gflops=0.2,
        **shipped("brainbench_sam"),
    ),
]


@hookimpl
def register_backbones() -> list[BackboneCard]:
    """The image encoders of Segment Anything."""
    return CARDS
