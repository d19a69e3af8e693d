"""How a board shows a metric: as its records say or, for records of an earlier version, as the installed card says."""

from __future__ import annotations

from dataclasses import replace

from brainbench.pipeline.scores import display_of
from brainbench.records import Display, MetricResult
from brainbench.registry import installed

# The fields that records of earlier versions lack.
_LATER = ("explanation", "precedence", "ceiling", "errors", "errors_note", "caveat")


def display(metric: str, result: MetricResult) -> Display:
    """Return how a board shows this metric.

    A record without explanation and order is of an earlier version, or its metric's card has none either. Then the
    installed card of this name is used, if there is one.
    """
    said = result.display
    if said != replace(said, **{name: getattr(Display(), name) for name in _LATER}):
        return said
    cards = [entry.card for entry in installed().metrics if entry.name == metric]
    return replace(said, **{name: getattr(display_of(card), name) for card in cards for name in _LATER})
