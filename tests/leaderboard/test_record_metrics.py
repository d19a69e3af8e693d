from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from fits import failed, fit, stored, tokens

from brainbench import Cell, MetricCard, PluginError, Score
from brainbench.leaderboard.record_metrics import compute
from brainbench.leaderboard.rows import editions
from brainbench.leaderboard.shown_metrics import installed_computed
from brainbench.records import MetricResult, Record


class Spy:
    """Hands the cells to ``answer``."""

    def __init__(self, answer: Callable[[Sequence[Cell]], Any]) -> None:
        self.answer = answer

    def score(self, cells: Sequence[Cell]) -> Any:
        return self.answer(cells)


def computed(
    records: list[Record], folder: Path, answer: Callable[[Sequence[Cell]], Any], make: Any = Spy
) -> dict[str, MetricResult]:
    card = MetricCard(
        name="spy",
        loader=lambda *, settings: make(answer),
        needs=frozenset({"records"}),
        columns={"all": "Spied"},
        roi_columns=True,
        version="3",
    )
    (pick,) = installed_computed(toy.registry(metrics=[card]))
    (edition,) = editions(records)
    return compute(replace(pick, version=f"{pick.version} x=1"), edition, folder)


def test_a_cell_is_a_done_fit_with_what_is_known_of_it(tmp_path: Path) -> None:
    r2 = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    whole = stored(tmp_path, fit("a", 0.25, seed=2), {"per_voxel.r2": r2})
    bare = fit("pixels", 0.5, control=True)
    seen: dict[str, Cell] = {}

    def answer(cells: Sequence[Cell]) -> list[Score]:
        seen.update({cell.backbone: cell for cell in cells})
        return [Score({"all": float(cell.seed)}) for cell in cells]

    found = computed([whole, bare, tokens("a"), failed("b")], tmp_path, answer)
    assert {key: result.values for key, result in found.items()} == {whole.key: {"all": 2.0}, bare.key: {"all": 0.0}}
    first, control = seen["a"], seen["pixels"]
    assert (first.row, first.encoder, first.subject, first.seed) == ("a (v1) x fit", "fit", "1", 2)
    assert (first.control, control.control) == (False, True)
    assert (first.versions, first.rois) == ({"r2": "1"}, ("V1",))
    assert first.cost == {
        "wall_s": 3.5, "peak_memory_mb": 700.0, "fitted_parameters": 5.0, "backbone_parameters": 2e6
    }  # fmt: skip
    assert first.arrays["per_voxel.r2"].tolist() == r2.tolist()
    assert not control.arrays
    assert "fitted_parameters" not in control.cost


def test_roi_columns_have_headings_of_their_own(tmp_path: Path) -> None:
    (result,) = computed([fit("a", 0.1)], tmp_path, lambda cells: [Score({"all": 1.0})]).values()
    assert result.version == "3 x=1"
    assert result.display.columns == {"all": "Spied", "V1": "Spied V1"}
    assert not result.display.roi_columns


def raises(cells: Sequence[Cell]) -> Any:
    raise ArithmeticError("no such mean")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (raises, "ArithmeticError: no such mean"),
        (lambda cells: [], r"score\(\) gave 0 scores for 1 cells"),
        (lambda cells: [1.0], r"spy: score\(\) must return brainbench.Score, got float"),
        (lambda cells: [Score({"all": float("nan")})], "spy: not a finite number: all"),
    ],
)
def test_a_broken_metric_is_one_line_with_its_plugin(
    tmp_path: Path, answer: Callable[[Sequence[Cell]], Any], message: str
) -> None:
    with pytest.raises(PluginError, match=f"metric spy of toy-dist 1.0 failed to score the records: {message}"):
        computed([fit("a", 0.1)], tmp_path, answer)


def test_what_is_no_records_metric_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"load\(\) returned NoneType, expected a RecordsMetric"):
        computed([fit("a", 0.1)], tmp_path, raises, make=lambda answer: None)
