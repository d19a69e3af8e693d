from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cortices import record, table
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from scipy import stats

from brainbench import UsageError
from brainbench.metrics.bootstrap import unpacked
from brainbench.plot import roi_bars


def drawn(*subjects: str) -> Axes:
    return roi_bars(replace(table(), records=tuple(record(subject) for subject in subjects))).axes[0]


def vertical(axes: Axes) -> list[tuple[float, float, float]]:
    """(place, low, high) of the upright lines."""
    segments = [np.asarray(s) for c in axes.collections if isinstance(c, LineCollection) for s in c.get_segments()]
    return [(float(s[0, 0]), float(s[:, 1].min()), float(s[:, 1].max())) for s in segments if s[0, 0] == s[1, 0]]


def test_bars_are_means_over_subjects() -> None:
    axes = drawn("1", "2")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["all", "V1"]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.315, 0.415])  # type: ignore[attr-defined]


def test_the_line_of_one_subject_is_students_interval_of_its_draws() -> None:
    draws = unpacked(record("1").metrics["r2"].draws["V1"])
    error = draws.std(ddof=1) * np.sqrt(50 / 49)
    expected = stats.t.interval(0.95, 49, loc=0.41 - draws.mean(), scale=error)
    assert vertical(drawn("1"))[1] == pytest.approx((1, *expected))


def test_without_draws_there_is_a_bar_and_no_line() -> None:
    bare = record()
    bare.metrics["r2"].draws.clear()
    figure = roi_bars(replace(table(), records=(bare,)))
    assert not vertical(figure.axes[0])
    assert len(figure.axes[0].patches) == 2
    assert any("no interval" in text.get_text() for text in figure.texts)


def test_r2_that_was_not_scored_is_said() -> None:
    with pytest.raises(UsageError, match="run it again with --metrics r2"):
        roi_bars(replace(table(), records=(record(metrics={}),)))
