from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from brainbench import MetricInputs, Score, Selectors
from brainbench.builtin.metrics.cards import TRUST

LAYER = np.full((5, 3), 1 / 3)


def score(**parts: Any) -> Score:
    metric: Any = TRUST.loader(settings={})
    result: Score = metric.score(MetricInputs(selectors=Selectors(**parts)))
    return result


def test_figures_are_means_over_neighbours() -> None:
    likeness = np.array([[1, 0.8, 0.1], [0.6, 1, 0.4], [0.3, 0.2, 1]])
    result = score(layers=("a", "b", "c"), layer=LAYER, likeness=likeness, correlation=likeness.T / 2)
    assert result.values == pytest.approx({"identifiability": 0.5, "aligned_r": 0.25})
    assert result.notes == ()


def test_layers_that_are_the_same_are_warned_of() -> None:
    likeness = np.full((3, 3), 0.99)
    result = score(layers=("a", "b", "c"), layer=LAYER, likeness=likeness)
    assert result.values == pytest.approx({"identifiability": 0.01})
    assert len(result.notes) == 1
    assert "cannot be trusted" in result.notes[0]


def test_where_there_is_nothing_to_say_none_is_said() -> None:
    likeness = np.ones((1, 1))
    assert score(layers=("a",), layer=np.ones((5, 1)), likeness=likeness).not_applicable == (
        "a single layer has no neighbours"
    )
    nothing = "the encoder does not report how similar its layers are"
    assert score(layers=("a", "b"), layer=LAYER).not_applicable == nothing
    assert score(layers=("a", "b"), likeness=np.ones((2, 2))).not_applicable == nothing


def test_what_too_few_images_cannot_tell_is_not_told() -> None:
    likeness = np.array([[1, 0.8, np.nan], [np.nan, 1, 0.4], [0.3, 0.2, 1]])
    result = score(layers=("a", "b", "c"), layer=LAYER, likeness=likeness)
    assert result.values == {}
    assert result.not_applicable is not None
    assert "too few training images" in result.not_applicable
    assert "cannot be told" in result.notes[0]
