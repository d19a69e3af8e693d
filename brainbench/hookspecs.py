"""The whole plugin contract on one screen.

A distribution joins by an entry point in the group ``brainbench`` that names a module with some of these hooks:

    [project.entry-points.brainbench]
    mymodel = "brainbench_mymodel.plugin"

The module must be light to import (no torch): it returns cards, and each card says how to load the rest.
"""

from __future__ import annotations

import pluggy

from brainbench.cards import BackboneCard, DatasetCard, EncoderCard, MetricCard

GROUP = "brainbench"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def register_backbones() -> list[BackboneCard]:  # type: ignore[empty-body]
    """Cards of the networks this plugin brings."""


@hookspec
def register_encoders() -> list[EncoderCard]:  # type: ignore[empty-body]
    """Cards of the encoders this plugin brings."""


@hookspec
def register_metrics() -> list[MetricCard]:  # type: ignore[empty-body]
    """Cards of the metrics this plugin brings."""


@hookspec
def register_datasets() -> list[DatasetCard]:  # type: ignore[empty-body]
    """Cards of the datasets this plugin brings."""
