"""Networks before and after tuning: which rows are compared, and the interval of what was lost."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fits import fit
from scipy import stats

from brainbench.leaderboard import published
from brainbench.leaderboard.files import board_files
from brainbench.leaderboard.render import render
from brainbench.leaderboard.shown_metrics import MetricRequest
from brainbench.metrics.bootstrap import packed
from brainbench.records import Display, MetricResult, Record

PAGE, TABLE = Path("data.forgetting.md"), Path("data.forgetting.csv")
R2 = Display({"all": "R2"}, roi_columns=True)
SLOPE = Display({"slope": "slope"}, digits=2)
IMAGES = 100
_RNG = np.random.default_rng(0)
SHARED, OWN = (_RNG.normal(size=1000) for _ in range(2))


def record(
    backbone: str, r2: float, *, own: float = 0.0, base: str = "", slope: float = 0.5, **facts: object
) -> Record:
    """A fit whose draws share what the images do, with some of its own. base: label of the weights that were tuned."""
    draws = 0.05 * SHARED + own * OWN
    made = fit(backbone, r2, **facts)  # type: ignore[arg-type]
    metrics = {
        "r2": MetricResult("1", R2, {"all": r2, "V1": r2}, draws={"all": packed(draws)}),
        "hierarchy": MetricResult("1", SLOPE, {"slope": slope}),
    }
    network = made.backbone
    if base:
        network = replace(
            network, weights=f"tuned:{len(backbone) * 7919:08x}"[:14], weights_source=f"{base}, tuned on t"
        )
    return replace(made, backbone=network, metrics=metrics, dataset=replace(made.dataset, test_images=IMAGES))


def table(*records: Record) -> pd.DataFrame:
    return pd.read_csv(StringIO(render(records)[TABLE]))


def line(text: str, *words: str) -> list[str]:
    rows = [row for row in text.splitlines() if all(f"| {word} " in " ".join(row.split()) for word in words)]
    return [cell.strip() for cell in rows[0].split("|")[1:-1]]


def test_what_was_lost_comes_with_an_interval_paired_by_image() -> None:
    before, after = record("net/a", 0.30), record("net/a@texture", 0.24, own=0.01, base="v1", slope=0.4)
    text = render([before, after])[PAGE]
    cells = dict(zip(line(text, "backbone"), line(text, "net/a", "texture"), strict=True))
    assert (cells["R2 before"], cells["after"], cells["share kept"]) == ("0.300", "0.240", "80 %")
    assert cells["slope"] == "0.50 → 0.40"
    row = table(before, after).query("figure == 'R2'").iloc[0]
    # The draws that both share cancel.
    half = stats.t.ppf(0.975, IMAGES - 1) * 0.01 * OWN.std(ddof=1) * np.sqrt(IMAGES / (IMAGES - 1))
    assert row["drop"] == pytest.approx(0.06, abs=1e-6)
    assert (row["high"] - row["low"]) / 2 == pytest.approx(half, rel=0.02)
    assert cells["drop"] == f"0.060 [{row['low']:.3f}, {row['high']:.3f}]"


def test_only_the_row_of_the_base_weights_is_before() -> None:
    tuned = record("net/a@texture", 0.2, base="v1")
    other = record("net/a", 0.3)
    other = replace(other, backbone=replace(other.backbone, weights="file:1234abcd"))
    assert PAGE not in render([tuned, other])
    assert PAGE not in render([record("net/a", 0.3)])
    assert len(table(tuned, other, record("net/a", 0.35)).query("figure == 'R2'")) == 1


def test_seeds_of_the_tuning_are_summed_up() -> None:
    records = [
        record("net/a", 0.3),
        *(record(f"net/a@t{end}", r2, base="v1") for end, r2 in (("", 0.2), ("/seed-1", 0.22))),
    ]
    text = render(records)[PAGE]
    summary = text.partition("Over seeds of the tuning")[2]
    assert line(summary, "net/a")[-3:] == ["2", "0.210 ± 0.014", "0.090 ± 0.014"]
    assert table(*records)["tuning_seed"].tolist() == [0, 0, 0, 1, 1, 1]


def test_a_score_below_zero_keeps_no_share() -> None:
    text = render([record("net/a", -0.1), record("net/a@t", -0.2, base="v1")])[PAGE]
    cells = dict(zip(line(text, "backbone"), line(text, "net/a", "t"), strict=True))
    assert cells["share kept"] == "-"


def test_the_papers_tables_are_below(tmp_path: Path) -> None:
    records = [record("net/a", 0.3), record("net/a@t", 0.2, base="v1")]
    text = board_files(records, tmp_path, MetricRequest(), published.sections)[PAGE]
    assert "| SAM " in text
    assert "0.086" in text
    assert "0.954" in text
    assert "do not compare them number by number" in text
