"""A toy plugin: eight-pixel pictures, a two-layer network, a closed-form encoder. Quick enough to run hundreds of jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from brainbench import (
    BackboneCard,
    DatasetCard,
    EncoderCard,
    EngineCard,
    Masks,
    MetricCard,
    MetricInputs,
    Responses,
    Score,
    Selectors,
    Setting,
    Stimuli,
    Tokens,
)
from brainbench.builtin.engines.cards import LOCAL
from brainbench.plugins import Plugin
from brainbench.registry import Registry

SIZE = 8


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """[count, 8, 8, 3] uint8."""
    return np.random.default_rng(seed).integers(0, 255, (count, SIZE, SIZE, 3), dtype=np.uint8)


@dataclass
class ToyData:
    """Responses are linear in mean colour, so any encoder that works finds them."""

    subjects: Sequence[str] = ("1", "2")
    version: str = "1"
    provides: frozenset[str] = frozenset({"responses", "rois"})
    count: int = 100

    def stimuli(self, subject: str) -> Stimuli:
        images = pictures(self.count)
        digests = tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in images)
        return Stimuli(tuple(f"im{i:03d}" for i in range(self.count)), digests, lambda i: Image.fromarray(images[i]))

    def responses(self, subject: str) -> Responses | None:
        if "responses" not in self.provides:
            return None
        rng = np.random.default_rng(int(subject))
        colours = pictures(self.count).mean(axis=(1, 2)) / 255
        values = (colours @ rng.normal(size=(3, 6)) + 0.001 * rng.normal(size=(self.count, 6))).astype(np.float32)
        split = np.array(["train", "train", "train", "val", "test"] * (self.count // 5))
        rois = {"V1": np.arange(6) < 3, "EBA": np.arange(6) >= 3}
        return Responses(subject, values, np.arange(self.count), split, f"toy-{subject}", rois=rois)

    def masks(self, subject: str) -> Masks | None:
        return None

    def dissimilarities(self, subject: str) -> np.ndarray | None:
        return None


class ToyNet:
    """Layer "colour" is the picture, layer "grey" its mean over channels."""

    layers = ("colour", "grey")

    def __init__(self, scale: float = 1.0) -> None:
        self.module = None
        self.scale = scale
        self.images = 0  # read, whatever the batches

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.array(image, dtype=np.float32) / 255).permute(2, 0, 1)

    def tokens(self, batch: torch.Tensor) -> Tokens:
        self.images += len(batch)
        return Tokens.from_local((batch * self.scale, batch.mean(1, keepdim=True) * self.scale))


class ToyFitted:
    def __init__(self, weights: np.ndarray, selectors: Selectors) -> None:
        self.weights, self.selectors = weights, selectors
        self.history = [{"step": 1.0, "loss": 0.5}]
        self.notes = ["toy note"]

    def predict(self, features: Any, stimuli: np.ndarray) -> np.ndarray:
        return _design(features, stimuli) @ self.weights

    def parameters(self) -> Mapping[str, torch.Tensor]:
        return {"weights": torch.from_numpy(self.weights)}


class ToyEncoder:
    """Least squares on the first layer's global token."""

    fits = 0

    def fit(self, features: Any, responses: Responses, context: Any) -> ToyFitted:
        type(self).fits += 1
        rows = responses.rows("train")
        design = _design(features, responses.stimulus[rows])
        weights = np.linalg.lstsq(design, responses.values[rows].astype(np.float64), rcond=None)[0]
        context.progress(1, 1, "fitted")
        voxels = responses.values.shape[1]
        layer = np.full((voxels, 2), 0.5, np.float32)
        return ToyFitted(weights, Selectors(tuple(features.layers), layer=layer))


def _design(features: Any, rows: np.ndarray) -> np.ndarray:
    tokens = features.global_tokens(0, rows).astype(np.float64)
    return np.hstack([tokens, np.ones((len(tokens), 1))])


class ToyMetric:
    """R2 over all voxels and a figure that only needs tokens, told apart by the setting."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.bonus = settings.get("bonus", 0)

    def score(self, inputs: MetricInputs) -> Score:
        assert inputs.predictions is not None
        observed, values = inputs.predictions.observed, inputs.predictions.values
        r2 = 1 - ((observed - values) ** 2).sum(0) / ((observed - observed.mean(0)) ** 2).sum(0)
        return Score({"all": float(r2.mean()) + self.bonus}, per_voxel=r2)


class ToyTokenMetric:
    def score(self, inputs: MetricInputs) -> Score:
        assert inputs.features is not None
        return Score({"count": float(len(inputs.features))})


def backbone(name: str = "toy/net", *, make: Callable[[], Any] = ToyNet, **facts: Any) -> BackboneCard:
    """A card whose loader makes one of these."""
    return BackboneCard(name=name, loader=lambda *, weights, settings: make(), **facts)


def encoder(name: str = "toyfit", *, make: Callable[[], Any] = ToyEncoder, **facts: Any) -> EncoderCard:
    """A card for an encoder."""
    return EncoderCard(name=name, loader=lambda *, settings: make(), **facts)


R2 = MetricCard(
    name="r2",
    loader=lambda *, settings: ToyMetric(settings),
    needs=frozenset({"predictions", "responses"}),
    columns={"all": "R2"},
    default=True,
    settings=(Setting("bonus", int, 0, "added to the figure"),),
)
COUNT = MetricCard(
    name="count",
    loader=lambda *, settings: ToyTokenMetric(),
    needs=frozenset({"tokens"}),
    columns={"count": "images"},
    direction="none",
    digits=0,
    default=True,
)


def dataset(data: Any | None = None, **facts: Any) -> DatasetCard:
    """A card for the toy data."""
    made = data if data is not None else ToyData()
    return DatasetCard(name="toydata", loader=lambda *, settings, data, cache: made, **facts)


def registry(
    backbones: Sequence[BackboneCard] | None = None,
    encoders: Sequence[EncoderCard] | None = None,
    metrics: Sequence[MetricCard] = (R2, COUNT),
    datasets: Sequence[DatasetCard] | None = None,
    engines: Sequence[EngineCard] = (LOCAL,),
) -> Registry:
    """A registry of one distribution, "toy-dist 1.0"."""
    cards: dict[str, tuple[Any, ...]] = {
        "backbones": tuple(backbones if backbones is not None else [backbone()]),
        "encoders": tuple(encoders if encoders is not None else [encoder()]),
        "metrics": tuple(metrics),
        "datasets": tuple(datasets if datasets is not None else [dataset()]),
        "engines": tuple(engines),
    }
    return Registry([Plugin("toy", "toy-dist", "1.0", cards)])
