"""The cards. Light: what they load is in the other modules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from brainbench import EncoderCard, MetricCard, Setting, hookimpl, lazy

SAE_BRAINMAP = (
    "Ziming Mao and Jia Xu and Zeqi Zheng and Haofang Zheng and Dabing Sheng and Mufan Xue and Yaochu Jin and Guoyuan Yang (2025). "
    "Sparse Autoencoders Bridge The Deep Learning Model and The Brain. arXiv:2506.11123\n"
    "Ziming Mao and Jia Xu and Wenxuan Pan and Mufan Xue and Yaochu Jin and Guoyuan Yang (2026). SAEs-BrainMap: Unveiling the "
    "Emergence of Specialized Concepts in Deep Models via Brain Alignment. ICML"
)
_READING = (
    Setting("pool", str, "mean", "one number for an image and unit: mean or max of the codes over places", ("mean", "max")),
    Setting("assign", str, "argmax", "argmax: the most similar unit; one-to-one: no unit for two voxels",
            ("argmax", "one-to-one")),
    Setting("candidates", int, 50, "best units of a voxel that one-to-one chooses from", minimum=1),
)  # fmt: skip
_SIZE = (
    Setting("kind", str, "tied", "tied: ReLU, decoder = encoder; topk, batchtopk: k codes a token, or on average",
            ("tied", "topk", "batchtopk")),
    Setting("rate", int, 16, "units per channel", minimum=1),
    Setting("k", int, 32, "codes above 0 in a token, for topk and batchtopk", minimum=1),
)  # fmt: skip
_TRAINING = (
    Setting("steps", int, 5000, "training steps of a layer's autoencoder", minimum=1),
    Setting("batch", int, 2048, "tokens in one step", minimum=1),
    Setting("lr", float, 1e-3, "learning rate", minimum=0),
    Setting("l1", float, 8.6e-4, "weight of the sum of codes in the loss, for tied", minimum=0),
    Setting(
        "weights",
        str,
        "",
        "a folder of autoencoders, one folder a layer, in SAELens' format; none: they are trained",
        path=True,
    ),
)

# Of the encoders' own code: codes and correlations in memory at a time (``series``, ``similarity``).
_BLOCKS = 4 * (1 << 24) * 6
# Places of a layer, which no estimate knows: those of a vision transformer with 16 x 16 patches.
_PLACES = 256


def memory(
    *, images: int, test: int, voxels: int, layers: int, channels: int, settings: Mapping[str, Any], units: str
) -> float:
    """Bytes that a fit takes at its peak: responses, the series of a layer, all autoencoders, the tokens of a layer."""
    rate = settings.get("rate", 1)
    responses = 2 * 4 * images * voxels
    series = 2 * 4 * images * channels * rate
    # Weights, their gradient and the two averages of AdamW; a decoder doubles them.
    networks = 4 * rate * channels**2 * (layers + 4) * (1 if settings.get("kind", "tied") == "tied" else 2)
    tokens = 2 * images * _PLACES * channels if units == "trained" else 0
    return float(responses + max(series, tokens) + networks + _BLOCKS + 8 * test * voxels)


def _card(name: str, units: str, summary: str, *more: Setting, demo_steps: int | None = None) -> EncoderCard:
    return EncoderCard(
        name=name,
        loader=partial(lazy("brainbench_sae.encoder:load"), units=units),
        summary=summary,
        settings=(*_READING, *more),
        libraries=("torch", "scipy"),
        grid="native",
        joint=True,
        selectors=("layer",),
        demo_steps=demo_steps,
        memory=partial(memory, units=units),
        citation=SAE_BRAINMAP,
    )


ENCODERS = [
    _card(
        "sae",
        "trained",
        "every voxel reads one unit of the sparse autoencoders of all layers, the most similar one",
        *_SIZE,
        *_TRAINING,
        demo_steps=150,
    ),
    _card("sae/untrained", "untrained", "as sae, with autoencoders of the same size that were not trained", *_SIZE),
    _card("sae/neuron", "neuron", "as sae, with the network's own channels instead of units"),
]
METRICS = [
    MetricCard(
        name="dictionary",
        loader=lazy("brainbench_sae.metric:load"),
        summary="how alike voxels and the units they were given are, on the images of the choice and on test images",
        needs=frozenset({"parameters", "predictions", "responses", "selectors"}),
        columns={
            "test": "test similarity",
            "train": "train similarity",
            "optimism": "by chance",
            "distinct": "distinct units",
            "consistency": "ROI consistency",
            "selectivity": "ROI selectivity",
            "unexplained": "unexplained",
            "active": "L0",
            "dead": "dead units",
        },
        direction="none",
        digits=3,
        layers={
            "unexplained:": ("unexplained",),
            "active:": ("active",),
            "dead:": ("dead",),
        },
        settings=(
            Setting("voxels", int, 1000, "largest number of voxels that are compared in pairs, drawn with the job's seed",
                    minimum=3),
            Setting("rotations", int, 200, "rotations of the spatial null", minimum=1),
        ),
        libraries=("scipy",),
        citation=SAE_BRAINMAP,
        explanation={
            "test": "test similarity, train similarity: correlation over images of a voxel with the unit it was given, mean over "
            "voxels; on test images, and on those the unit was chosen on, which flatters.",
            "optimism": "by chance: about the train similarity that the best of so many units would have with a voxel that reads "
            "none.",
            "distinct": "distinct units: number of different units over number of voxels.",
            "consistency": "ROI consistency: rank correlation of the voxels' similarity to one another by their units and by "
            "their responses, on test images; the record has what rotated maps give.",
            "selectivity": "ROI selectivity: how much more alike voxels of one ROI are than those of two, by their units, as a "
            "share of the same by their responses.",
            "unexplained": "unexplained, L0, dead units: variance of the tokens that the autoencoders do not reconstruct, codes "
            "that are not 0 in a token, share of units without any; mean over layers.",
        },
    )
]  # fmt: skip


@hookimpl
def register_encoders() -> list[EncoderCard]:
    """One unit a voxel."""
    return ENCODERS


@hookimpl
def register_metrics() -> list[MetricCard]:
    """The dictionary of voxels."""
    return METRICS
