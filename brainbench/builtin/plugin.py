"""The built-in cards, through the same door as anybody's."""

from __future__ import annotations

from brainbench import BackboneCard, DatasetCard, EncoderCard, MetricCard, hookimpl
from brainbench.builtin.backbones.cards import PIXELS, RANDOM, SHUFFLED
from brainbench.builtin.datasets.demo.card import DEMO
from brainbench.builtin.datasets.folder.card import FOLDER
from brainbench.builtin.datasets.planted.card import PLANTED
from brainbench.builtin.encoders.cards import CLASSTOKEN, FACTORTOPY, GNETVIT, PATCHTOKEN
from brainbench.builtin.metrics.cards import CONFIDENCE, HIERARCHY, LAYERS, R2, RECOVERY, TRUST


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
    """Brain score, hierarchy, confidence, how alike the layers are, and recovery of what was planted."""
    return [R2, HIERARCHY, CONFIDENCE, LAYERS, TRUST, RECOVERY]


@hookimpl
def register_datasets() -> list[DatasetCard]:
    """The simulated demo, brains planted from a backbone, and anybody's own experiment."""
    return [DEMO, PLANTED, FOLDER]
