"""The built-in cards, registered like those of any plugin."""

from __future__ import annotations

from brainbench import BackboneCard, DatasetCard, EncoderCard, EngineCard, MetricCard, hookimpl
from brainbench.builtin.backbones.cards import PIXELS, RANDOM, SHUFFLED
from brainbench.builtin.datasets.demo.card import DEMO
from brainbench.builtin.datasets.folder.card import FOLDER
from brainbench.builtin.datasets.labelled.cards import LABELLED
from brainbench.builtin.datasets.planted.card import PLANTED
from brainbench.builtin.encoders.cards import CLASSTOKEN, FACTORTOPY, GNETVIT, PATCHTOKEN
from brainbench.builtin.engines.cards import LOCAL
from brainbench.builtin.metrics.cards import METRICS


@hookimpl
def register_backbones() -> list[BackboneCard]:
    """The controls."""
    return [PIXELS, RANDOM, SHUFFLED]


@hookimpl
def register_encoders() -> list[EncoderCard]:
    """The paper's encoder with its ablations, and its baselines."""
    return [*FACTORTOPY, CLASSTOKEN, PATCHTOKEN, GNETVIT]


@hookimpl
def register_metrics() -> list[MetricCard]:
    """Brain scores, layer maps and how far to trust them, recovery, similarity, and metrics over records."""
    return METRICS


@hookimpl
def register_datasets() -> list[DatasetCard]:
    """The simulated demo, planted brains, a folder with the user's own experiment, and labelled images."""
    return [DEMO, PLANTED, FOLDER, *LABELLED]


@hookimpl
def register_engines() -> list[EngineCard]:
    """Processes of this machine."""
    return [LOCAL]
