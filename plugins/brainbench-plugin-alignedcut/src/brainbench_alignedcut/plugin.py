"""The AlignedCut cards. Light: what they load is in the other modules."""

from __future__ import annotations

from brainbench import DatasetCard, EncoderCard, MetricCard, hookimpl

ALIGNEDCUT = (
    "Huzheng Yang and James Gee and Jianbo Shi (2024). AlignedCut: Visual Concepts Discovery on Brain-Guided Universal Feature "
    "Space. arXiv:2406.18344"
)
ENCODERS: list[EncoderCard] = []
METRICS: list[MetricCard] = []
DATASETS: list[DatasetCard] = []


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
