from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from brainbench_nsd.nsd.design import read_design
from brainbench_nsd.nsd.layout import Layout
from scipy.io import loadmat, savemat

from brainbench import DataError


def _table(root: Path, path: Path, **changes: Any) -> None:
    table = pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",")
    for name, (row, value) in changes.items():
        table.loc[row, name.replace("KID", "73KID")] = value
    table.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False)


def test_images_are_counted_from_0_and_sessions_from_1(made: Path) -> None:
    found = read_design(Layout(made), "2")
    log = pd.read_csv(Layout(made).behaviour("2"), sep="\t")
    assert found.image.tolist() == (log["73KID"] - 1).tolist()
    assert found.session.tolist() == [1] * 40 + [2] * 40 + [3] * 40
    assert found.trials(2).tolist() == list(range(40, 80))
    table = pd.read_csv(Layout(made).table)
    assert found.shared.tolist() == table["nsdId"][table["shared1000"]].tolist()
    matrices = loadmat(Layout(made).design)
    trial = 17  # by MATLAB's own indices
    assert found.image[trial] + 1 == matrices["subjectim"][1, int(matrices["masterordering"][0, trial]) - 1]
    assert {matrices[name].shape[0] for name in ("masterordering", "sharedix")} == {1}


def test_a_log_that_ends_earlier_has_fewer_trials(root: Path) -> None:
    path = Layout(root).behaviour("1")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:81]))
    assert len(read_design(Layout(root), "1").image) == 80


def test_the_first_trial_that_the_log_tells_otherwise_is_named(root: Path) -> None:
    _table(root, Layout(root).behaviour("1"), KID=(50, 1), SUBJECT=(0, 1))
    with pytest.raises(
        DataError, match=r"trial 51 \(session 2\) showed 73KID \d+ in .*mat, but 73KID 1 in .*responses.tsv"
    ):
        read_design(Layout(root), "1")


def test_the_first_trial_that_the_table_tells_otherwise_is_named(root: Path) -> None:
    table = pd.read_csv(Layout(root).table)
    row = int(np.flatnonzero(table["subject1_rep1"] > 0)[0])
    trial = int(table.loc[row, "subject1_rep1"])
    _table(root, Layout(root).table, subject1_rep1=(row, 0))
    with pytest.raises(DataError, match=rf"trial {trial} \(session \d\) showed .*, but no image in .*merged.csv"):
        read_design(Layout(root), "1")


def test_shared_images_that_differ_are_refused(root: Path) -> None:
    _table(root, Layout(root).table, shared1000=(slice(None), False))
    with pytest.raises(DataError, match="name different shared images"):
        read_design(Layout(root), "1")


def test_another_subjects_log_is_refused(root: Path) -> None:
    Layout(root).behaviour("1").write_bytes(Layout(root).behaviour("2").read_bytes())
    with pytest.raises(DataError, match=r"line 2: subject 2, expected 1 throughout"):
        read_design(Layout(root), "1")


def test_more_trials_than_were_planned_are_refused(root: Path) -> None:
    path = Layout(root).behaviour("1")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join((*lines, lines[-1])))
    with pytest.raises(DataError, match=r"has 121 trials, but .*mat only 120"):
        read_design(Layout(root), "1")


def test_sessions_out_of_order_are_refused(root: Path) -> None:
    _table(root, Layout(root).behaviour("1"), SESSION=(3, 3))
    with pytest.raises(DataError, match="not session by session"):
        read_design(Layout(root), "1")


def test_files_that_are_missing_or_damaged_are_named(root: Path) -> None:
    layout = Layout(root)
    for path, message in (
        (layout.design, "as a MATLAB file"),
        (layout.table, "no column"),
        (layout.behaviour("1"), "no column"),
    ):
        kept = path.read_bytes()
        path.write_bytes(b"not,what,it,was\n1,2,3,4\n")
        with pytest.raises(DataError, match=message):
            read_design(layout, "1")
        path.unlink()
        with pytest.raises(DataError, match=rf"no .*{path.name}: fetch it from the release"):
            read_design(layout, "1")
        path.write_bytes(kept)
    path = layout.behaviour("1")
    path.write_text(path.read_text().replace("\t1\t1\t", "\tone\t1\t"))
    with pytest.raises(DataError, match="SESSION holds something other than whole numbers"):
        read_design(layout, "1")


def test_a_design_without_its_matrices_is_refused(root: Path) -> None:
    layout = Layout(root)
    matrices = loadmat(layout.design)
    savemat(layout.design, {"subjectim": matrices["subjectim"], "sharedix": matrices["sharedix"]})
    with pytest.raises(DataError, match="holds no 'masterordering'"):
        read_design(layout, "1")
    savemat(layout.design, {**{k: matrices[k] for k in ("subjectim", "sharedix")}, "masterordering": [[1.0, 99.0]]})
    with pytest.raises(DataError, match="do not fit together"):
        read_design(layout, "1")
