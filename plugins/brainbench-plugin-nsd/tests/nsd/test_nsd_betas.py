from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
from brainbench_nsd.nsd.betas import Betas
from brainbench_nsd.nsd.layout import Layout
from scipy.stats import zscore

Load = Callable[..., Any]
BETAS = "betas_fithrf_GLMdenoise_RR"


def _surface(root: Path, session: int) -> np.ndarray:
    """[trials, V] by nibabel and nothing else."""
    sides = []
    for side in ("lh", "rh"):
        kept = nibabel.load(Layout(root).shared_labels / f"{side}.nsdgeneral.mgz").get_fdata().ravel() == 1
        path = Layout(root).betas("1", "fsaverage", BETAS) / f"{side}.betas_session{session:02d}.mgh"
        sides.append(nibabel.MGHImage.from_bytes(path.read_bytes()).get_fdata()[kept, 0, 0, :].T)
    return np.hstack(sides)


def _volume(root: Path, session: int) -> np.ndarray:
    layout = Layout(root)
    kept = nibabel.load(layout.volume_rois("1") / "nsdgeneral.nii.gz").get_fdata() == 1
    with h5py.File(layout.betas("1", "func1pt8mm", BETAS) / f"betas_session{session:02d}.hdf5") as file:
        betas = file["betas"][:].T  # X, Y, Z, trials
    return betas[kept].T / 300


def test_surface_betas_are_those_in_the_files(made: Path, load: Load) -> None:
    responses = load(made, zscore=False).responses("1")
    expected = np.vstack([_surface(made, session) for session in (1, 2, 3)])
    assert responses.dropped == (0, 1)
    assert np.isnan(expected[:, :2]).all()
    np.testing.assert_array_equal(responses.values, expected[:, 2:].astype(np.float32))


def test_volume_betas_are_a_300th_of_those_in_the_files(made_volume: Path, load: Load) -> None:
    responses = load(made_volume, space="func1pt8mm", zscore=False).responses("1")
    expected = np.vstack([_volume(made_volume, session) for session in (1, 2, 3)])
    assert responses.dropped == (0, 1)  # 0 throughout
    np.testing.assert_allclose(responses.values, expected[:, 2:], rtol=1e-6)
    assert any(note == "dropped 2 of 80 voxels: 2 with NaN or infinite values" for note in responses.notes)


def test_a_voxel_that_one_session_did_not_measure_is_dropped(volume: Path, load: Load) -> None:
    path = Layout(volume).betas("1", "func1pt8mm", BETAS) / "betas_session02.hdf5"
    x, y, z = np.argwhere(nibabel.load(Layout(volume).volume_rois("1") / "nsdgeneral.nii.gz").get_fdata() == 1)[50]
    with h5py.File(path, "r+") as file:
        file["betas"][:, z, y, x] = 0
    for scaled in (True, False):
        assert load(volume, space="func1pt8mm", zscore=scaled).responses("1").dropped == (0, 1, 50)


def test_both_files_of_the_volume_hold_the_same(tmp_path: Path, load: Load, maker: Callable[..., Path]) -> None:
    roots = [maker(tmp_path / kind, space="func1pt8mm", volume=kind, trials=60) for kind in ("hdf5", "nii.gz")]
    first, second = (load(root, space="func1pt8mm").responses("1") for root in roots)
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.coordinates, second.coordinates)


@pytest.mark.parametrize("space", ["fsaverage", "func1pt8mm"])
def test_scores_are_those_of_scipy_session_by_session(space: str, made: Path, made_volume: Path, load: Load) -> None:
    root, read = (made, _surface) if space == "fsaverage" else (made_volume, _volume)
    responses = load(root, space=space).responses("1")
    expected = np.vstack([zscore(read(root, session)[:, 2:], axis=0) for session in (1, 2, 3)])
    np.testing.assert_allclose(responses.values, expected, atol=2e-5)
    raw = np.vstack([read(root, session)[:, 2:] for session in (1, 2, 3)])
    assert np.abs(zscore(raw, axis=0) - expected).max() > 0.3  # sessions do differ


def test_averages_are_those_of_pandas(made: Path, load: Load) -> None:
    trials, average = load(made).responses("1"), load(made, repeats="average").responses("1")
    expected = pd.DataFrame(trials.values).groupby(trials.stimulus).mean()
    assert len(average.values) == 60
    np.testing.assert_allclose(average.values, expected.loc[average.stimulus].to_numpy(), atol=1e-5)
    sides = dict(zip(trials.stimulus.tolist(), trials.split.tolist(), strict=True))
    assert average.split.tolist() == [sides[stimulus] for stimulus in average.stimulus.tolist()]


def test_fewer_sessions_are_fewer_rows(made: Path, load: Load) -> None:
    every, some = load(made).responses("1"), load(made, sessions="1,3").responses("1")
    assert "sessions 1,3: 80 trials of" in some.notes[0]
    np.testing.assert_array_equal(some.values, np.delete(every.values, np.s_[40:80], axis=0))


def test_a_survey_says_what_the_responses_say(made: Path, load: Load) -> None:
    dataset = load(made)
    facts, responses = dataset.survey("1"), dataset.responses("1")
    assert np.isnan(facts.values).all()
    assert (facts.key, facts.notes, facts.values.shape) == (responses.key, responses.notes, responses.values.shape)


def test_one_session_is_held_and_each_read_once_however_often_it_is_asked_for() -> None:
    read: list[int] = []

    def session(place: int) -> np.ndarray:
        read.append(place)
        return np.full((4, 3), place, np.float32) + np.arange(4, dtype=np.float32)[:, None] / 10

    source = Betas("key", Path("betas"), [4, 4, 4], 3, session)
    assert source.shape == (12, 3)
    for place in range(3):
        for _ in range(2):
            list(source.blocks(np.arange(4 * place, 4 * place + 4)))
    assert read == [0, 1, 2]
    blocks = list(source.blocks(np.array([1, 5, 10])))
    assert np.concatenate([rows for rows, _ in blocks]).tolist() == [1, 5, 10]
    np.testing.assert_allclose(np.vstack([values for _, values in blocks])[:, 0], [0.1, 1.1, 2.2])


def test_what_a_file_holds_is_noticed_when_it_changes(root: Path, load: Load) -> None:
    before = load(root).responses("1")
    path = Layout(root).betas("1", "fsaverage", BETAS) / "lh.betas_session02.mgh"
    with path.open("r+b") as file:
        mapped = np.memmap(file, ">f4", "r+", 284, (40, 162))
        mapped *= -1
        mapped.flush()
    after = load(root).responses("1")
    assert before.key != after.key
    assert not np.array_equal(before.values, after.values)
