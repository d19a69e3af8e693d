"""The AlignedCut cards. Light: what they load is in the other modules."""

from __future__ import annotations

from brainbench import DatasetCard, EncoderCard, MetricCard, hookimpl
from brainbench_alignedcut.datasets.cards import IMAGENET_SEGMENTATION, VOC2012

ALIGNEDCUT = (
    "Huzheng Yang and James Gee and Jianbo Shi (2024). AlignedCut: Visual Concepts Discovery on Brain-Guided Universal Feature "
    "Space. arXiv:2406.18344"
)
ENCODERS: list[EncoderCard] = []
METRICS: list[MetricCard] = []
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
