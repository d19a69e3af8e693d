from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from brainbench_nsd.nsd.layout import Layout
from brainbench_nsd.nsd.made_surface import write_vertices

Load = Callable[..., Any]
FOLDER = "betas_fithrf_GLMdenoise_RR"


def _ncsnr(root: Path) -> list[float]:
    """Of the vertices that are left, one by one."""
    found = []
    for side in ("lh", "rh"):
        general = nibabel.load(Layout(root).shared_labels / f"{side}.nsdgeneral.mgz").get_fdata().ravel()
        path = Layout(root).betas("1", "fsaverage", FOLDER) / f"{side}.ncsnr.mgh"
        figures = nibabel.MGHImage.from_bytes(path.read_bytes()).get_fdata().ravel()
        found += [float(figure) for figure, inside in zip(figures, general, strict=True) if inside == 1]
    return found[2:]


@pytest.mark.parametrize("repeats", ["trials", "average"])
@pytest.mark.parametrize("zscore", [True, False])
def test_the_ceiling_is_that_of_the_manual(repeats: str, zscore: bool, made: Path, load: Load) -> None:
    every = load(made).survey("1")
    count: dict[int, int] = {}
    for stimulus, side in zip(every.stimulus.tolist(), every.split.tolist(), strict=True):
        if side == "test":
            count[stimulus] = count.get(stimulus, 0) + 1
    assert set(count.values()) == {2}  # 120 trials of 60 images
    share = 1.0 if repeats == "trials" else sum(1 / n for n in count.values()) / len(count)
    expected = [figure**2 / (figure**2 + share) for figure in _ncsnr(made)]
    found = load(made, repeats=repeats, zscore=zscore).survey("1").noise_ceiling
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_ceiling_of_unlike_numbers_of_repeats(tmp_path: Path, load: Load, maker: Callable[..., Path]) -> None:
    root = maker(tmp_path / "nsd", trials=50)  # 150 trials of 60 images: 2 or 3 each
    trials = load(root).survey("1")
    shown = trials.stimulus[trials.split == "test"].tolist()
    counts = [shown.count(stimulus) for stimulus in set(shown)]
    assert set(counts) == {2, 3}
    share = sum(1 / n for n in counts) / len(counts)
    expected = [figure**2 / (figure**2 + share) for figure in _ncsnr(root)]
    np.testing.assert_allclose(load(root, repeats="average").survey("1").noise_ceiling, expected, rtol=1e-5)


def test_the_planted_noise_is_what_ncsnr_says(tmp_path: Path, load: Load, maker: Callable[..., Path]) -> None:
    """The spread between two trials of one image, over that of all trials, is one less the ceiling."""
    root = maker(tmp_path / "nsd", trials=400, images=400)
    responses = load(root).responses("1")
    values, order = responses.values.astype(np.float64), np.argsort(responses.stimulus, kind="stable")
    triples = values[order].reshape(400, 3, -1)
    noise = triples.var(axis=1, ddof=1).mean(axis=0)
    np.testing.assert_allclose(1 - noise / values.var(axis=0), responses.noise_ceiling, atol=0.08)


def test_without_ncsnr_there_is_no_ceiling(root: Path, load: Load) -> None:
    for name in ("1", "2"):
        for side in ("lh", "rh"):
            (Layout(root).betas(name, "fsaverage", FOLDER) / f"{side}.ncsnr.mgh").unlink()
    dataset = load(root)
    responses = dataset.survey("1")
    assert responses.noise_ceiling is None
    assert "noise_ceiling" not in dataset.provides
    assert f"no ncsnr in {FOLDER}: no noise ceiling" in responses.notes


def test_a_voxel_without_ncsnr_has_a_ceiling_of_0(root: Path, load: Load) -> None:
    path = Layout(root).betas("1", "fsaverage", FOLDER) / "rh.ncsnr.mgh"
    figures = nibabel.MGHImage.from_bytes(path.read_bytes()).get_fdata().ravel()
    figures[np.flatnonzero(figures)[-1]] = np.nan
    write_vertices(path, figures)
    responses = load(root).survey("1")
    assert responses.noise_ceiling[-1] == 0
    assert (responses.noise_ceiling[:-1] > 0).all()
    assert "1 of 80 voxels have no ncsnr: their noise ceiling is 0" in responses.notes
