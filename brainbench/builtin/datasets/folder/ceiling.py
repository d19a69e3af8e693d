"""The noise ceiling: as a file gives it, or estimated from images that were shown more than once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from brainbench import DataError
from brainbench.datasets import (
    Source,
    cache_refuses,
    ceiling_of_ncsnr,
    chance_of_repeats,
    content_digest,
    expect_shape,
    kept,
    ncsnr_of_repeats,
    open_npy,
    read_numbers,
)

# Of one image alone there is no variance between images, and so no signal.
LEAST = 2
_LEVEL = 0.05


def read_ceiling(path: Path, voxels: int) -> np.ndarray:
    """[V] float32, a share of the variance, of a .npy array or a table of one column; DataError outside 0..1."""
    if path.suffix == ".npy":
        ceiling = open_npy(path)
    else:
        table = read_numbers(path)
        ceiling = table[:, 0] if table.shape[1] == 1 else table
    expect_shape(path, ceiling, (voxels,), f"one share of explainable variance for each of the {voxels} voxels")
    bad = np.flatnonzero(~((ceiling >= 0) & (ceiling <= 1)))
    if bad.size:
        raise DataError(
            f"{path}: {bad.size} voxels outside 0..1, the first is voxel {bad[0]} with {ceiling[bad[0]]:g}; "
            "the ceiling is a share (divide percent by 100), 0 for a voxel without signal"
        )
    return ceiling.astype(np.float32)


def repeated(stimulus: np.ndarray, split: np.ndarray) -> np.ndarray:
    """Indices of the stimuli that have several rows with a split; [R] each. Empty where they are too few to tell."""
    shown, count = np.unique(stimulus[split != ""], return_counts=True)
    several = shown[count > 1]
    return several if len(several) >= LEAST else several[:0]


def estimated_ceiling(
    source: Source, stimulus: np.ndarray, split: np.ndarray, average: bool, cache: Path
) -> tuple[np.ndarray, str] | None:
    """([V] ceiling, how it was made) from the rows of the images that repeat; None where none does. Remembered in ``cache``.

    stimulus, split: [R]; average: test rows are means of an image's trials, n of them, otherwise single trials. The ceiling is
    ncsnr^2 / (ncsnr^2 + mean(1/n)) (Allen et al. 2022; NSD data manual), 0..1, NaN in a voxel with NaN.
    """
    several = repeated(stimulus, split)
    if not len(several):
        return None
    rows = np.flatnonzero(np.isin(stimulus, several) & (split != ""))
    tested = stimulus[split == "test"]
    trials = np.unique(tested, return_counts=True)[1] if average else np.ones(len(tested))
    ceiling = ceiling_of_ncsnr(_ncsnr(source, rows, stimulus, cache), trials).astype(np.float32)
    # Exact for trials, where n is 1.
    share = float(np.mean(1 / trials))
    note = (
        f"noise ceiling estimated as ncsnr^2 / (ncsnr^2 + {share:.3g}) from {len(several)} images that repeat "
        f"({len(rows)} rows): {share:.3g} is the mean of 1/n, n the trials in a test row"
    )
    return ceiling, note


def chance_note(
    source: Source, stimulus: np.ndarray, split: np.ndarray, rois: Mapping[str, np.ndarray], cache: Path
) -> str | None:
    """Say in which ROIs repeats agree above chance; None without ROIs or repeats. Remembered in ``cache``."""
    several = repeated(stimulus, split)
    if not len(several) or not rois:
        return None
    rows = np.flatnonzero(np.isin(stimulus, several) & (split != ""))
    named = b"".join(name.encode() + mask.tobytes() for name, mask in rois.items())
    key = content_digest(b"chance 1", source.key.encode(), rows.tobytes(), stimulus[rows].tobytes(), named)
    path = cache / "responses" / key[:32] / "chance.json"
    with cache_refuses(path):
        kept(path, lambda draft: _write_json(draft, chance_of_repeats(source, rows, stimulus, rois)))
        found = dict(json.loads(path.read_text(encoding="utf-8")))
    above = [name for name, p in found.items() if p < _LEVEL]
    below = [f"{name} (p = {p:.2f})" for name, p in found.items() if p >= _LEVEL]
    said = [f"above chance in {', '.join(above)}"] * bool(above) + [f"not above chance in {', '.join(below)}"] * bool(
        below
    )
    return f"noise ceiling {'; '.join(said)}: permutation test of the images' repeats, p < {_LEVEL}" if said else None


def _ncsnr(source: Source, rows: np.ndarray, stimulus: np.ndarray, cache: Path) -> np.ndarray:
    key = content_digest(b"1", source.key.encode(), rows.tobytes(), stimulus[rows].tobytes())
    path = cache / "responses" / key[:32] / "ncsnr.npy"
    with cache_refuses(path):
        kept(path, lambda draft: _write_npy(draft, ncsnr_of_repeats(source, rows, stimulus)))
        return np.asarray(np.load(path, allow_pickle=False))


def _write_json(path: Path, content: Mapping[str, float]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _write_npy(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array)
