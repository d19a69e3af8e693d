"""How a board shows a metric: as its records say, completed from the installed card where they are of an earlier version."""

from __future__ import annotations

from dataclasses import replace

from brainbench.pipeline.scores import display_of
from brainbench.records import Display, MetricResult
from brainbench.registry import installed

# What records of earlier versions do not say.
_LATER = ("explanation", "precedence", "ceiling", "errors", "errors_note", "caveat")


def display(metric: str, result: MetricResult) -> Display:
    """How a board shows this metric.

    A record that says nothing of how its columns are read and ordered is of an earlier version, or of a metric whose card says
    nothing either: then the card of this name speaks, if one is installed.
    """
    said = result.display
    if said != replace(said, **{name: getattr(Display(), name) for name in _LATER}):
        return said
    cards = [entry.card for entry in installed().metrics if entry.name == metric]
    return replace(said, **{name: getattr(display_of(card), name) for card in cards for name in _LATER})
