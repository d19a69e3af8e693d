"""The AlignedCut cards. Light: what they load is in the other modules."""

from __future__ import annotations

from functools import partial
from typing import Literal

from brainbench import DatasetCard, EncoderCard, MetricCard, Setting, hookimpl, lazy
from brainbench_alignedcut.datasets.cards import IMAGENET_SEGMENTATION, VOC2012

ALIGNEDCUT = (
    "Huzheng Yang and James Gee and Jianbo Shi (2024). AlignedCut: Visual Concepts Discovery on Brain-Guided Universal Feature "
    "Space. arXiv:2406.18344"
)
_MIOU_SETTINGS = (
    Setting("images", int, 200, "images at most, drawn with the job's seed", minimum=1),
    Setting("eigenvectors", int, 10, "leading eigenvectors of the graph of all tokens", minimum=2),
    Setting("sample", int, 2000, "tokens whose graph is solved and carried to the others", minimum=2),
    Setting(
        "neighbours", int, 0, "sampled tokens that each other one follows (equation 4); 0: Nystrom extension", minimum=0
    ),
    Setting("classes", str, "all", "figure: every class but the background is one", ("all", "figure")),
)


def _miou(tokens: Literal["tokens", "aligned"]) -> MetricCard:
    aligned = tokens == "aligned"
    before = "aligned " if aligned else ""
    return MetricCard(
        name="miou/aligned" if aligned else "miou",
        loader=partial(lazy("brainbench_alignedcut.miou:load"), aligned=aligned),
        summary="as miou, of the tokens as a fit's channel align gives them"
        if aligned
        else "segmentation by the spectral clusters of a layer's tokens, by an oracle and without (C.4)",
        needs=frozenset({tokens, "masks"}),
        columns={
            "best": f"{before}mIoU",
            "chance": f"{before}mIoU chance",
            "clusters": f"{before}k-way mIoU",
            "clusters_chance": f"{before}k-way chance",
        },
        explanation={
            "best": "aligned mIoU: the same of the tokens as the fit's channel align gives them."
            if aligned
            else "mIoU, k-way mIoU: do a layer's tokens fall into the classes of the masks? Of the layer that is best on the "
            "other half of the images, with class centres and threshold from the masks, and by clusters that never saw them; "
            "compare with the chance.",
        },
        layers={"layer:": ("best", "chance"), "clusters:": ("clusters", "clusters_chance")},
        settings=_MIOU_SETTINGS,
        libraries=("scikit-learn",),
        grid="native",
        citation=ALIGNEDCUT,
    )


ENCODERS = [
    EncoderCard(
        name="alignedcut",
        version="2",
        loader=lazy("brainbench_alignedcut.encoder:load"),
        summary="all voxels read the mean of every token of every layer, aligned to one channel space",
        settings=(
            Setting("tap", str, "attention", "where layers are read, of backbones that offer the place",
                    ("attention", "block")),
            Setting("steps", int, 3000, "training steps", minimum=1),
            Setting("batch_size", int, 32, "trials in one step", minimum=1),
            Setting("lr", float, 0.03, "learning rate", minimum=0),
            Setting("dim", int, 128, "aligned channels D'", minimum=1),
            Setting("channels", str, "closed",
                    "beta of every voxel: closed: solved for, given the channel align; gradient: learned beside it",
                    ("closed", "gradient")),
            Setting("memory", float, 0.0, "GB of tokens held at once, the rest is read again; 0: 8",
                    minimum=0),
            Setting("eigen", float, 1.0, "weight of the term that keeps the eigenvectors; 0: none", minimum=0),
            Setting("zero_centre", float, 0.01, "weight of the term that centres channels; 0: none", minimum=0),
            Setting("covariance", float, 0.01, "weight of the term that keeps channels apart; 0: none", minimum=0),
            Setting("focal", bool, True, "whether the eigenvector term gives distant pairs more weight"),
            Setting("grid", int, 0, "side of the grid of tokens; 0: the backbone's own, or 14 where layers differ",
                    minimum=0),
        ),
        libraries=("torch",),
        grid="native",
        joint=True,
        demo_steps=300,
        citation=ALIGNEDCUT,
    )
]  # fmt: skip
METRICS: list[MetricCard] = [_miou("tokens"), _miou("aligned")]
DATASETS: list[DatasetCard] = [VOC2012, IMAGENET_SEGMENTATION]


@hookimpl
def register_encoders() -> list[EncoderCard]:
    """The channel align."""
    return ENCODERS


@hookimpl
def register_metrics() -> list[MetricCard]:
    """Segmentation by clusters of tokens."""
    return METRICS


@hookimpl
def register_datasets() -> list[DatasetCard]:
    """Images with masks."""
    return DATASETS
