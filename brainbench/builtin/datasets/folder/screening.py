"""From voxels in files to Responses: rows without a split and useless voxels are left out, and counted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from brainbench import DataError, Responses
from brainbench.builtin.datasets.folder.voxels import Voxels

_BLOCK = 2**24  # values read at once, 64 MiB as float32: responses may be larger than memory


def screen(subject: str, voxels: Voxels, stimulus: np.ndarray, split: np.ndarray, notes: tuple[str, ...]) -> Responses:
    """Responses in the units of the file (nothing is z-scored), float32, without the rows whose split is "".

    Voxels with NaN or infinite values, or constant over the train rows, are left out; a note says how many.
    stimulus, split: [R]. Raises DataError if no voxel is left.
    """
    rows = np.flatnonzero(split != "")
    finite, varies = _verdict(voxels.values, rows, split == "train")
    keep = finite & varies
    notes = (*notes, *_voxel_notes(voxels, finite, varies))
    rois = {name: mask[keep] for name, mask in voxels.rois.items() if mask[keep].any()}
    if voxels.rois.keys() - rois.keys():
        notes = (*notes, f"ROIs without a voxel left: {', '.join(n for n in voxels.rois if n not in rois)}")
    values = _select(voxels.values, rows, keep)
    coordinates = None if voxels.coordinates is None else voxels.coordinates[keep]
    ceiling = None if voxels.noise_ceiling is None else voxels.noise_ceiling[keep]
    return Responses(
        subject=subject,
        values=values,
        stimulus=stimulus[rows],
        split=split[rows],
        key=_key(subject, values, stimulus[rows], split[rows], coordinates, ceiling, *_named(rois)),
        coordinates=coordinates,
        rois=rois,
        noise_ceiling=ceiling,
        notes=notes,
        dropped=tuple(np.flatnonzero(~keep).tolist()),
    )


def _voxel_notes(voxels: Voxels, finite: np.ndarray, varies: np.ndarray) -> Iterator[str]:
    total, bad, constant = len(finite), int((~finite).sum()), int((finite & ~varies).sum())
    if bad + constant == total:
        raise DataError(
            f"{voxels.path}: no voxel is left of {total}: {bad} with NaN or infinite values, {constant} constant over the "
            "train rows; leave stimuli without responses out of stimuli.csv or splits.csv"
        )
    reasons = [f"{bad} with NaN or infinite values"] * bool(bad) + [f"{constant} constant over train"] * bool(constant)
    if reasons:
        yield f"dropped {bad + constant} of {total} voxels: {', '.join(reasons)}"
    if voxels.coordinates is None:
        yield "no coordinates.npy: topology cannot be used"


def _verdict(values: np.ndarray, rows: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(finite in all ``rows``, not constant over those that are train), both bool [V]."""
    finite = np.ones(values.shape[1], bool)
    low, high = np.full(values.shape[1], np.inf, np.float32), np.full(values.shape[1], -np.inf, np.float32)
    for some in _blocks(rows, values.shape[1]):
        block = _single(values[some])
        finite &= np.isfinite(block).all(axis=0)
        fitted = block[train[some]]
        low = np.minimum(low, fitted.min(axis=0, initial=np.inf))
        high = np.maximum(high, fitted.max(axis=0, initial=-np.inf))
    return finite, low < high


def _select(values: np.ndarray, rows: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """values[rows][:, keep] as float32; the mapped file itself where that is all of it."""
    if values.dtype == np.float32 and keep.all() and len(rows) == len(values):
        return values
    chosen = np.empty((len(rows), int(keep.sum())), np.float32)
    start = 0
    for some in _blocks(rows, values.shape[1]):
        chosen[start : start + len(some)] = _single(values[some])[:, keep]
        start += len(some)
    return chosen


def _blocks(rows: np.ndarray, voxels: int) -> Iterator[np.ndarray]:
    step = max(1, _BLOCK // voxels)
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _single(block: np.ndarray) -> np.ndarray:
    # Beyond the range of float32 a value becomes infinite and is counted as such.
    with np.errstate(over="ignore"):
        return block.astype(np.float32, copy=False)


def _named(rois: dict[str, np.ndarray]) -> Iterator[np.ndarray | str]:
    for name in sorted(rois):
        yield name
        yield rois[name]


def _key(*parts: np.ndarray | str | None) -> str:
    content = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            content.update(f"|{part.shape}|".encode())
            for some in _blocks(np.arange(len(part)), part[0].size):
                content.update(np.ascontiguousarray(part[some[0] : some[-1] + 1]).tobytes())
        else:
            content.update(f"|{part}|".encode())
    return content.hexdigest()
