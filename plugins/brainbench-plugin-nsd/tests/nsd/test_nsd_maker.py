from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from brainbench_nsd.nsd.layout import Layout
from brainbench_nsd.nsd.maker import _sessions
from scipy.io import loadmat

from brainbench import UsageError

Maker = Callable[..., Path]


def _bytes(root: Path) -> dict[str, bytes]:
    plain = (".mgh", ".tsv", ".csv", ".txt", ".ctab")
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.suffix in plain}


def test_the_same_settings_make_the_same_values(tmp_path: Path, maker: Maker) -> None:
    first, second, other = (maker(tmp_path / str(i), subjects=1, seed=seed) for i, seed in enumerate((3, 3, 4)))
    assert _bytes(first) == _bytes(second)
    assert _bytes(first) != _bytes(other)


def test_it_is_labelled(made: Path) -> None:
    text = (made / "simulated.txt").read_text()
    assert "No brain was measured" in text
    assert "vertices_kept=40" in text


def test_the_design_has_the_shape_of_nsds(made: Path) -> None:
    matrices = loadmat(Layout(made).design)
    assert matrices["masterordering"].shape == (1, 120)
    assert matrices["subjectim"].shape == (8, 60)
    assert matrices["sharedix"].shape == (1, 12)
    assert (np.sort(matrices["subjectim"][:, :12], axis=1) == np.sort(matrices["sharedix"])).all()
    assert matrices["masterordering"].min() == 1
    own = [set(row[12:].tolist()) for row in matrices["subjectim"][:2]]
    assert not own[0] & own[1]


def test_the_table_and_the_log_have_the_columns_of_nsds(made: Path) -> None:
    table = pd.read_csv(Layout(made).table, index_col=0)
    repeats = [f"subject{s}_rep{r}" for s in range(1, 9) for r in range(3)]
    first = ["cocoId", "cocoSplit", "cropBox", "loss", "nsdId", "flagged", "BOLD5000", "shared1000"]
    assert list(table) == [*first, *(f"subject{s}" for s in range(1, 9)), *repeats]
    trials = table[[f"subject1_rep{r}" for r in range(3)]].to_numpy()
    assert sorted(trials[trials > 0].tolist()) == list(range(1, 121))
    log = pd.read_csv(Layout(made).behaviour("1"), sep="\t")
    assert list(log) == ["SUBJECT", "SESSION", "RUN", "TRIAL", "73KID", "10KID"]
    assert log.groupby("SESSION").size().tolist() == [40, 40, 40]
    for _, run in log.groupby(["SESSION", "RUN"]):
        assert run["TRIAL"].tolist() == list(range(1, len(run) + 1))


def test_hdf5_has_the_axes_and_chunks_of_nsds(made_volume: Path) -> None:
    folder = Layout(made_volume).betas("1", "func1pt8mm", "betas_fithrf_GLMdenoise_RR")
    with h5py.File(folder / "betas_session01.hdf5") as file:
        betas = file["betas"]
        trials, z, y, x = betas.shape
        assert (trials, z - y, y - x) == (40, 1, 1)
        assert betas.chunks == (40, 1, 1, 1)
        assert betas.dtype == np.int16


def test_more_than_fits_is_refused(tmp_path: Path, maker: Maker) -> None:
    for given, message in (
        ({"trials": 100}, "3 sessions of 100 trials are 300, but 60 images are shown 180 times at most"),
        ({"subjects": 9}, "9 subjects asked for: NSD has 8"),
        ({"vertices_kept": 200}, "200 vertices of 162 a side asked for"),
    ):
        with pytest.raises(UsageError, match=message):
            maker(tmp_path / "nsd", **given)
    assert not (tmp_path / "nsd").exists()


def test_blocks_are_cut_at_sessions() -> None:
    rows = np.arange(60, dtype=np.float32).reshape(20, 3)
    blocks = (rows[start : start + 7] for start in range(0, 20, 7))
    found = list(_sessions(blocks, 5))
    assert [len(session) for session in found] == [5, 5, 5, 5]
    np.testing.assert_array_equal(np.concatenate(found), rows)
