"""The AlignedCut cards. Light: what they load is in the other modules."""

from __future__ import annotations

from brainbench import DatasetCard, EncoderCard, MetricCard, Setting, hookimpl, lazy

ALIGNEDCUT = (
    "Huzheng Yang and James Gee and Jianbo Shi (2024). AlignedCut: Visual Concepts Discovery on Brain-Guided Universal Feature "
    "Space. arXiv:2406.18344"
)
ENCODERS = [
    EncoderCard(
        name="alignedcut",
        loader=lazy("brainbench_alignedcut.encoder:load"),
        summary="all voxels read the mean of every token of every layer, aligned to one channel space",
        settings=(
            Setting("tap", str, "attention", "where layers are read, of backbones that offer the place",
                    ("attention", "block")),
            Setting("steps", int, 0, "most training steps; 0: 3000", minimum=0),
            Setting("batch_size", int, 0, "trials in one step; 0: 32", minimum=0),
            Setting("lr", float, 0.0, "learning rate; 0: 0.03", minimum=0),
            Setting("dim", int, 0, "aligned channels D'; 0: 128", minimum=0),
            Setting("memory", float, 0.0, "GB of tokens held at once, the rest is read again; 0: half of the machine's",
                    minimum=0),
            Setting("eigen", float, 1.0, "weight of the term that keeps the eigenvectors; 0: none", minimum=0),
            Setting("zero_centre", float, 0.01, "weight of the term that centres channels; 0: none", minimum=0),
            Setting("covariance", float, 0.01, "weight of the term that keeps channels apart; 0: none", minimum=0),
            Setting("focal", bool, True, "whether the eigenvector term weighs pairs that lie apart more"),
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
