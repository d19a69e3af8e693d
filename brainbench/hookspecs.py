"""The plugin hooks.

A distribution becomes a plugin with an entry point in the group ``brainbench``. The entry point names a module that
implements any of these hooks:

    [project.entry-points.brainbench]
    mymodel = "brainbench_mymodel.plugin"

The module must be light to import (no torch). Its hooks return cards, and each card names the loader of its object.
"""

from __future__ import annotations

import pluggy

from brainbench.cards import BackboneCard, DatasetCard, EncoderCard, MetricCard
from brainbench.engines import EngineCard

GROUP = "brainbench"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def register_backbones() -> list[BackboneCard]:  # type: ignore[empty-body]
    """Return the cards of the plugin's networks."""


@hookspec
def register_encoders() -> list[EncoderCard]:  # type: ignore[empty-body]
    """Return the cards of the plugin's encoders."""


@hookspec
def register_metrics() -> list[MetricCard]:  # type: ignore[empty-body]
    """Return the cards of the plugin's metrics."""


@hookspec
def register_datasets() -> list[DatasetCard]:  # type: ignore[empty-body]
    """Return the cards of the plugin's datasets."""


@hookspec
def register_engines() -> list[EngineCard]:  # type: ignore[empty-body]
    """Return the cards of the plugin's engines, which do the jobs of a run elsewhere."""
