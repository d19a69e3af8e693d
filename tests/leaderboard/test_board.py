from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from records import a_record
from scipy import stats

from brainbench.leaderboard.latex import latex
from brainbench.leaderboard.markdown import NO_DRAWS
from brainbench.leaderboard.ranking import ranks
from brainbench.leaderboard.render import boards, render
from brainbench.metrics.bootstrap import DRAWS, packed
from brainbench.records import Cost, Display, Failure, MetricResult, Record
from brainbench.results.store import write_record
from brainbench.util.hashing import digest

RNG = np.random.default_rng(0)
SHARED = RNG.normal(0, 0.05, DRAWS)  # what the test images do to every row alike
R2 = Display({"all": "R2"}, roi_columns=True)
B0 = Display({"slope": "slope", "b0": "b0"}, opposite=["b0"], digits=2)


def record(
    backbone: str = "net/a",
    r2: float = 0.5,
    *,
    subject: str = "1",
    seed: int = 0,
    control: bool = False,
    encoder: str = "fit",
    version: str = "1",
    metric_version: str = "1",
    split: str = "s",
    simulated: bool = False,
    **facts: object,
) -> Record:
    identity = f"{backbone}{subject}{seed}{encoder}{version}{metric_version}{split}{facts}"
    return a_record(
        backbone,
        encoder,
        subject=subject,
        control=control,
        dataset={
            "version": version,
            "simulated": simulated,
            "split_hash": split,
            "split_sizes": {"train": 80, "val": 10, "test": 10},
            "rois": {"hV4": 3, "V1": 4},
            "noise_ceiling": {"all": 0.6, "V1": 0.7},
        },
        **{
            "key": digest(identity),
            "seed": seed,
            "metrics": {
                "hierarchy": MetricResult("1", B0, {"slope": r2, "b0": 1 - r2}),
                "r2": MetricResult(metric_version, R2, {"all": r2, "V1": r2 + 0.1, "hV4": r2 - 0.1}),
            },
            "versions": {"brainbench": "1", "torch": "2"},
            "cost": Cost(random.random(), 1.0, "cpu"),
            **facts,
        },
    )


def page(*records: Record) -> str:
    return render(records)[Path("data.md")]


def table(*records: Record) -> pd.DataFrame:
    return pd.read_csv(StringIO(render(records)[Path("data.csv")]))


def rows(text: str) -> list[list[str]]:
    """Cells of the first Markdown table, without its header."""
    lines = text.split("### ")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")][2:]


def test_rows_are_sorted_ranked_and_marked() -> None:
    text = page(record("net/a", 0.3), record("net/b", 0.5), record("net/c", 0.4))
    found = rows(text)
    assert [row[:2] for row in found] == [["1", "net/b"], ["2", "net/c"], ["3", "net/a"]]
    assert [row[4] for row in found] == ["**0.500**", "*0.400*", "0.300"]
    # A smaller b0 is better (Table 2); V1 stands before hV4.
    assert [row[7] for row in found] == ["**0.50**", "*0.40*", "0.30"]
    assert [row[8] for row in found] == ["**0.50**", "*0.60*", "0.70"]
    assert text.index(" V1 ") < text.index(" hV4 ")


def test_seeds_and_subjects_are_pooled_and_nothing_else() -> None:
    cells = [
        record(r2=r, subject=s, seed=n) for s, n, r in (("1", 0, 0.1), ("1", 1, 0.2), ("2", 0, 0.3), ("2", 1, 0.4))
    ]
    frame = table(
        *cells,
        *(replace(c, key=c.key + "x", encoder=replace(c.encoder, changed={"steps": 5})) for c in cells if c.encoder),
    )
    assert list(frame["encoder_settings"].fillna("")) == ["", "steps=5"]
    assert frame["R2"].tolist() == pytest.approx([0.25, 0.25])
    assert frame["R2 sd"].tolist() == pytest.approx([pd.Series([0.1, 0.2, 0.3, 0.4]).std()] * 2, rel=1e-5)
    assert list(frame["cells"]) == ["4/4", "4/4"]


def test_an_incomplete_row_stands_last_without_a_mean_and_moves_nobody() -> None:
    whole = [record("net/a", 0.3, subject=s) for s in "12"] + [record("net/b", 0.2, subject=s) for s in "12"]
    before = rows(page(*whole, *(record("net/c", 0.9, subject=s) for s in "12")))
    after = rows(page(*whole, record("net/c", 0.9, subject="1")))
    assert before[0][1] == "net/c"
    assert after[-1] == ["-", "net/c", "v1", "fit", "-", "-", "-", "-", "-", "1/2"]
    assert [row[1] for row in after[:2]] == [row[1] for row in before[1:]]
    assert [row[4].replace("*", "") for row in after[:2]] == [row[4].replace("*", "") for row in before[1:]]


def test_licences_are_named_with_what_they_cover() -> None:
    records = [record(name, n / 10) for n, name in enumerate(("net/a", "net/b", "net/c"))]
    free = [replace(r, backbone=replace(r.backbone, licence="CC-BY-NC-4.0")) for r in records[:2]]
    assert "- net/a, net/b: licence CC-BY-NC-4.0\n" in page(*free, records[2])


def test_a_failed_job_is_named_with_its_plugin() -> None:
    failed = record(status="failed", failure=Failure("dist 1.0", "tokens", "ValueError", "too <big>"), metrics={})
    text = page(failed, record("net/b"))
    assert "0/1" in text
    assert "net/a, fit, subject 1, seed 0: dist 1.0 failed at tokens: ValueError: too &lt;big>" in text


def test_controls_and_the_ceiling_are_unranked() -> None:
    text = page(record("net/a", 0.3), record("pixels", 0.9, control=True))
    assert [row[1] for row in rows(text)] == ["net/a"]
    controls = text.split("### Controls")[1]
    assert "| pixels" in controls
    assert "0.600 | 0.700 |" in controls.split("noise ceiling")[1].replace("  ", " ")


def test_dataset_versions_and_splits_never_share_a_table() -> None:
    records = [record("net/a", 0.3), record("net/b", 0.4, version="2"), record("net/c", 0.5, split="other")]
    found = boards(records)["data"]
    assert sorted(len(board.ranked) for board in found) == [1, 1, 1]
    assert page(*records).count("## Edition") == 3


def states(*subjects: tuple[str, dict[str, str]]) -> list[Record]:
    """Records of subjects, each told at a time when all subjects were as its mapping says."""
    return [
        replace(one, dataset=replace(one.dataset, contents=contents))
        for subject, contents in subjects
        for one in [record(subject=subject, split=contents[subject])]
    ]


def test_a_subject_that_changed_is_not_pooled_with_others_as_they_are_now() -> None:
    # Subject 1 with ten sessions; later with all of them, and subject 2.
    for old in ("a", "z"):
        first = states(("1", {"1": old}))
        later = states(("1", {"1": "m", "2": "n"}), ("2", {"1": "m", "2": "n"}))
        found = boards([*first, *later])["data"]
        assert sorted({r.key for r in one.edition.records} == {r.key for r in later} for one in found) == [False, True]
        assert {"/".join(map(str, (line.done, line.expected))) for one in found for line in one.ranked} == {
            "1/1",
            "2/2",
        }


def test_a_subject_that_did_not_change_stays_beside_one_that_did() -> None:
    before, after = {"1": "a", "2": "n"}, {"1": "b", "2": "n"}
    found = boards(states(("1", before), ("2", before), ("1", after)))["data"]
    assert [one.ranked[0].done for one in found] == [2, 2]


def test_a_further_subject_or_a_record_of_earlier_versions_makes_no_edition() -> None:
    records = states(("1", {"1": "a"}), ("2", {"1": "a", "2": "n"}), ("3", {"3": "o"}))
    old = record(subject="4", split="p")
    (one,) = boards([*records, old])["data"]
    assert one.ranked[0].done == 4


def test_a_stray_cell_of_one_row_takes_no_other_row_s_rank() -> None:
    whole = [record(f"net/{name}", n / 10) for n, name in enumerate("abcd", start=1)]
    before = rows(page(*whole))
    text = page(*whole, record("net/a", 0.9, seed=1), record("net/b", 0.9, subject="2"))
    assert rows(text) == before
    assert "- subject 1, seed 1 is left out of the scores, because most rows lack it (net/a)" in text
    assert "- subject 2, seed 0 is left out of the scores, because most rows lack it (net/b)" in text


def test_intervals_count_images_and_not_trials() -> None:
    def interval(images: int) -> float:
        one = drawn("net/a", 0.5, 0.01)
        one = replace(one, dataset=replace(one.dataset, test_images=images, split_sizes={"test": 120}))
        found = boards([one])["data"][0].ranked[0]
        (first, *_) = found.intervals.values()
        return first.high - first.low

    # Student's t with 9 and with 119 degrees of freedom, and n / (n - 1) draws.
    assert interval(10) / interval(0) == pytest.approx(
        stats.t.ppf(0.975, 9) / stats.t.ppf(0.975, 119) * np.sqrt((10 / 9) / (120 / 119)), rel=1e-6
    )


def test_metric_versions_never_share_a_column() -> None:
    frame = table(record("net/a", 0.3), record("net/b", 0.4, metric_version="2"))
    assert frame["R2 (v1)"].notna().tolist() != frame["R2 (v2)"].notna().tolist()


def test_two_metrics_with_a_figure_for_each_roi_keep_their_own_columns() -> None:
    correlation = MetricResult("1", Display({"all": "r"}, roi_columns=True), {"all": 0.7, "V1": 0.8, "hV4": 0.6})
    frame = table(record(metrics=record().metrics | {"corr": correlation}))
    assert frame.loc[0, ["V1", "hV4", "r", "corr V1", "corr hV4"]].tolist() == [0.6, 0.4, 0.7, 0.8, 0.6]


def test_two_records_for_one_cell_leave_it_empty_and_are_named() -> None:
    text = page(record(), record(key="other"), record("net/b"))
    assert "net/a, fit, subject 1, seed 0: two records describe it: delete one of them" in text
    assert table(record(), record(key="other"), record("net/b"))["cells"].tolist() == ["1/1", "0/1"]


def test_token_metrics_stand_beside_every_encoder_of_their_backbone() -> None:
    alike = {
        "layers": MetricResult(
            "1", Display({"neighbours": "neighbour layers"}, direction="none", digits=2), {"neighbours": 0.9}
        )
    }
    frame = table(
        record("net/a", encoder="one"), record("net/a", encoder="two"), record("net/a", encoder="", metrics=alike),
        record("net/b", encoder="", metrics=alike),
    )  # fmt: skip
    assert frame[["backbone", "encoder", "neighbour layers"]].fillna("").to_numpy().tolist() == [
        ["net/a", "one", 0.9],
        ["net/a", "two", 0.9],
        ["net/b", "", 0.9],
    ]


def test_what_does_not_apply_is_said_and_is_never_zero() -> None:
    no_roi = {
        "r2": MetricResult("1", R2, {"all": 0.4}),
        "hierarchy": MetricResult("1", B0, not_applicable="no voxels of OPA"),
    }
    text = page(record("net/a", metrics=no_roi))
    assert rows(text)[0][5:9] == ["n/a"] * 4
    assert "- hierarchy: no voxels of OPA" in text


def test_the_same_records_in_any_order_give_the_same_bytes() -> None:
    records = [record(f"net/{name}", r / 10, subject=s) for r, name in enumerate("abcd") for s in "12"]
    first = render(records)
    for seed in range(5):
        random.Random(seed).shuffle(records)
        assert render(records) == first


def test_the_first_lines_say_what_a_simulated_board_is_and_what_to_run_next() -> None:
    head = page(record(simulated=True)).splitlines()
    assert (
        head[2]
        == "**Simulated brains, miniature networks: this shows that the tool works, not which model is brain-like.**"
    )
    assert "    brainbench run --dataset folder --data PATH --backbones all" in head[:7]
    assert "Simulated" not in page(record())


def test_a_figure_without_a_better_side_ranks_nobody() -> None:
    alike = {"layers": MetricResult("1", Display({"neighbours": "neighbour r"}, direction="none"), {"neighbours": 0.9})}
    less = {"layers": replace(alike["layers"], values={"neighbours": 0.2})}
    found = rows(page(record("net/a", encoder="", metrics=less), record("net/b", encoder="", metrics=alike)))
    assert [row[:2] for row in found] == [["-", "net/a"], ["-", "net/b"]]


def test_a_whole_row_without_a_figure_stands_before_an_incomplete_one() -> None:
    nothing = {"r2": MetricResult("1", R2, not_applicable="no")}
    whole = [record("net/z", subject=s, metrics=nothing) for s in "12"]
    found = rows(page(*whole, record("net/a", subject="1"), *(record("net/b", subject=s) for s in "12")))
    assert [row[1] for row in found] == ["net/b", "net/z", "net/a"]


def drawn(backbone: str, r2: float, own: float, **facts: object) -> Record:
    """A record whose R2 would vary by ``own`` with other test images, beside what all rows share."""
    made = record(backbone, r2, **facts)  # type: ignore[arg-type]
    deviations = SHARED + np.random.default_rng(len(backbone)).normal(0, own, DRAWS) if own else SHARED
    draws = {"all": packed(deviations), "V1": packed(deviations)}
    return replace(made, metrics={**made.metrics, "r2": replace(made.metrics["r2"], draws=draws)})


def test_rows_that_cannot_be_told_apart_share_a_rank() -> None:
    rows_ = [drawn("net/a", 0.50, 0.001), drawn("net/bb", 0.49, 0.02), drawn("net/ccc", 0.45, 0.001)]
    found = rows(page(*rows_))
    assert [row[:2] for row in found] == [["1", "net/a"], ["1", "net/bb"], ["2", "net/ccc"]]
    # c is really worse than a, and not than b: one row is better beyond doubt.
    assert table(*rows_)["rank"].tolist() == [1, 1, 2]


def test_a_row_without_draws_is_named_and_takes_no_other_row_s_ties() -> None:
    tied = [drawn("net/a", 0.50, 0.001), drawn("net/bb", 0.49, 0.02), drawn("net/ccc", 0.45, 0.001)]
    text = page(*tied, record("net/old", 0.495))
    assert [row[:2] for row in rows(text)] == [["1", "net/a"], ["-", "net/old"], ["1", "net/bb"], ["2", "net/ccc"]]
    assert f"- {NO_DRAWS} (net/old)" in text
    assert NO_DRAWS not in page(*tied)
    assert NO_DRAWS not in page(record("net/a", 0.3), record("net/b", 0.5))


def test_a_rank_is_never_better_than_that_of_the_row_above() -> None:
    # The third is really worse than the first; the fourth, which varies more, than none.
    p_values = np.ones((4, 4))
    p_values[0, 2] = p_values[2, 0] = 0.001
    assert ranks(p_values) == [1, 1, 2, 2]
    assert ranks(np.ones((3, 3))) == [1, 1, 1]


def test_the_comparisons_of_a_row_are_corrected_together() -> None:
    # Alone .02 would be enough; with two further rows it has to be below .05 / 3.
    p_values = np.ones((4, 4))
    p_values[0, 3] = p_values[3, 0] = 0.02
    assert ranks(p_values) == [1, 1, 1, 1]
    assert ranks(p_values[np.ix_([0, 3], [0, 3])]) == [1, 2]


def test_differences_that_are_shown_are_those_that_are_corrected() -> None:
    rows_ = [drawn(f"net/{'abcdef'[n] * (n + 1)}", 0.5 - 0.004 * n, 0.03) for n in range(6)]
    found = json.loads(render(rows_)[Path("data.json")])["editions"][0]
    names = [row["backbone"] for row in found["rows"]]
    pairs = [(names.index(d["first"]["backbone"]), names.index(d["second"]["backbone"])) for d in found["differences"]]
    assert pairs == [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 2), (2, 3), (3, 4), (4, 5)]


def test_identical_rows_are_tied_and_clear_ones_are_not() -> None:
    twins = [drawn("net/a", 0.5, 0), drawn("net/b", 0.5, 0), drawn("net/c", 0.3, 0)]
    assert table(*twins)["rank"].tolist() == [1, 1, 3]


def test_without_draws_places_are_ranks_and_there_is_no_interval() -> None:
    rows_ = [drawn("net/a", 0.50, 0.02), record("net/b", 0.499)]
    assert table(*rows_)["rank"].tolist() == [1, 2]
    assert "### Differences" not in page(*rows_)
    assert "interval" not in page(record())


def test_intervals_stand_beside_r2_and_by_roi() -> None:
    text = page(drawn("net/a", 0.50, 0.001), drawn("net/bb", 0.3, 0.001))
    header = next(line for line in text.splitlines() if line.startswith("|")).split("|")
    assert header[5].strip() == "R2"
    assert header[6].strip() == "95 % interval"
    low, high = (float(part) for part in rows(text)[0][5].strip("[]").split(","))
    assert low < 0.5 < high
    # Student's t with 9 degrees of freedom, ten images.
    assert high - low == pytest.approx(2 * 2.262 * 0.05 * (10 / 9) ** 0.5, rel=0.06)
    by_roi = text.split("### R2 by ROI")[1].split("###")[0]
    assert [cell.strip() for cell in by_roi.split("|")[1:7]] == ["backbone", "weights", "encoder", "V1", "R2", ""]
    assert "**0.600** [" in by_roi
    less = text.split("### Differences")[1].split("###")[0]
    assert "-0.200 [-0.2" in less
    assert "< 0.001" in less


def test_a_cell_removed_moves_no_complete_row_and_none_is_compared_with_it() -> None:
    whole = [drawn(name, r, 0.001, subject=s) for name, r in (("a", 0.5), ("bb", 0.4)) for s in "12"]
    less = table(*whole, drawn("ccc", 0.45, 0.001, subject="1"))
    assert less[["backbone", "rank", "cells"]].to_numpy().tolist()[:2] == [["a", 1, "2/2"], ["bb", 2, "2/2"]]
    assert less["cells"].tolist()[2] == "1/2"
    assert pd.isna(less["rank"][2])


def test_the_standard_error_of_a_line_stands_beside_it() -> None:
    slopes = MetricResult("1", B0, {"slope": 0.5, "slope_se": 0.02, "b0": 0.1})
    text = page(record(metrics={"hierarchy": slopes})).split("### Alignment")[1]
    assert "0.500 ± 0.020" in text
    assert "| 0.10" in text


def test_json_holds_what_the_page_shows() -> None:
    found = json.loads(render([drawn("net/a", 0.50, 0.001), drawn("net/bb", 0.3, 0.001)])[Path("data.json")])
    edition = found["editions"][0]
    first = edition["rows"][0]
    assert (first["backbone"], first["rank"], first["cells"]) == ("net/a", 1, [1, 1])
    assert first["figures"]["r2.all"]["low"] < first["figures"]["r2.all"]["mean"] == 0.5
    assert edition["differences"][0]["first"]["backbone"] == "net/a"
    assert edition["differences"][0]["difference"] == 0.2
    assert edition["noise_ceiling"] == {"V1": 0.7, "all": 0.6}


def test_latex_escapes_names_and_keeps_marks() -> None:
    text = latex(boards([drawn("net/a_b", 0.5, 0.001), drawn("net/c%", 0.3, 0.001)])["data"])
    assert r"net/a\_b" in text
    assert r"net/c\%" in text
    assert r"\textbf{0.500}" in text
    assert r"95 \% interval" in text
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == text.count(r"\begin{tabular}") == 5
    assert "hline" not in text


def test_a_figure_that_no_record_has_gets_no_column() -> None:
    shares = replace(R2, columns={"all": "R2", "all_of_ceiling": "of ceiling"})
    bare = {"r2": MetricResult("1", shares, {"all": 0.5})}
    full = {"r2": MetricResult("1", shares, {"all": 0.5, "all_of_ceiling": 0.8})}
    assert "of ceiling" not in page(record(metrics=bare))
    assert "of ceiling" in page(record(metrics=full))


@pytest.mark.slow
def test_locale_time_zone_and_hash_seed_do_not_show(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "bb", "ccc")):
        for subject in "12":
            write_record(tmp_path, drawn(f"net/{name}", number / 10, 0.01, subject=subject))
    found = []
    for place, environment in enumerate(
        (
            {"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "1"},
            {"LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "2", "PYTHONUTF8": "0"},
        )
    ):
        boards_ = tmp_path / f"boards{place}"
        subprocess.run(
            [sys.executable, "-m", "brainbench", "leaderboard", str(tmp_path), "--leaderboards", str(boards_)],
            env={"PATH": "", "HOME": str(tmp_path), **environment},
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        found.append({path.name: path.read_bytes() for path in boards_.iterdir()})
    assert sorted(found[0]) == ["data.csv", "data.json", "data.md", "data.tex"]
    assert found[0] == found[1]
