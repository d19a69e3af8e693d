"""From responses in files to ``Responses``: rows without a split and useless voxels are left out, and counted.

What was found out about the values is kept in the cache, and so are the values that are left, mapped from there.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from brainbench.datasets.ledger import cache_refuses
from brainbench.datasets.sources import Source, ZScored
from brainbench.datasets.stand_ins import ends, stand_ins
from brainbench.errors import DataError, StoreError
from brainbench.types import Responses, Surface
from brainbench.util.hashing import digest
from brainbench.util.kept import is_kept, kept

_EDITION = 3


@dataclass(frozen=True)
class Measured:
    """One subject's responses as a dataset found them; nothing is left out yet.

    stimulus: [R] index into the subject's Stimuli; split: [R] train/val/test, "" to leave a row out; average: one row a
    stimulus, the mean of its rows, instead of one a trial; coordinates: [V, 3] mm; flat: without coordinates, the reason why;
    rois: name -> bool [V]; noise_ceiling: [V], 0..1; notes: what was decided so far.
    """

    subject: str
    source: Source
    stimulus: np.ndarray
    split: np.ndarray
    average: bool = False
    coordinates: np.ndarray | None = None
    flat: str = "no coordinates"
    rois: Mapping[str, np.ndarray] = field(default_factory=dict)
    noise_ceiling: np.ndarray | None = None
    surface: Surface | None = None
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> np.ndarray:
        """The rows of the source that have a split, ascending."""
        return np.flatnonzero(self.split != "")


def survey(measured: Measured, cache: Path) -> Responses:
    """All that ``screen`` says but the values, which are NaN and take no room; nothing but findings is written.

    Raises DataError if no voxel is left, or if rows of one stimulus stand in two splits.
    """
    _refuse_leaks(measured)
    verdict = _verdict(measured, cache)
    keep = verdict.keep
    first = _first_rows(measured) if measured.average else measured.rows
    shape = (len(first), int(keep.sum()))
    there = _lies_whole(measured, shape) is not None or is_kept(_values(cache, verdict))
    rois = {name: mask[keep] for name, mask in measured.rois.items() if mask[keep].any()}
    coordinates = None if measured.coordinates is None else measured.coordinates[keep].astype(np.float32)
    ceiling = None if measured.noise_ceiling is None else measured.noise_ceiling[keep].astype(np.float32)
    surface = measured.surface and replace(
        measured.surface, hemisphere=measured.surface.hemisphere[keep], vertex=measured.surface.vertex[keep]
    )
    return Responses(
        subject=measured.subject,
        values=np.broadcast_to(np.float32(np.nan), shape),
        stimulus=measured.stimulus[first],
        split=measured.split[first],
        key=digest(
            [
                measured.subject,
                verdict.content,
                measured.average,
                *map(_content, (measured.stimulus, measured.split, keep, coordinates, ceiling, *_flat(rois))),
            ]
        ),
        coordinates=coordinates,
        rois=rois,
        noise_ceiling=ceiling,
        surface=surface,
        notes=(*measured.notes, *_notes(measured, verdict, rois)),
        dropped=tuple(np.flatnonzero(~keep).tolist()),
        unprepared=0 if there else 4 * shape[0] * shape[1],
    )


def screen(measured: Measured, cache: Path) -> Responses:
    """Responses in the units of the source, float32, without the rows whose split is "".

    Voxels with NaN or infinite values, or constant over the train rows, are left out; a note says how many. The values are
    mapped from the source's own file where that holds just them, else written to ``cache`` once and mapped from there.
    Raises DataError if no voxel is left.
    """
    verdict = _verdict(measured, cache)
    facts = replace(survey(measured, cache), unprepared=0)
    whole = _lies_whole(measured, facts.values.shape)
    if whole is not None:
        return replace(facts, values=whole)
    path = _values(cache, verdict)
    with cache_refuses(path):
        kept(path, lambda draft: _write(draft, measured, verdict.keep))
    # Copied when it is written to, so that nobody can spoil the file.
    return replace(facts, values=np.load(path, mmap_mode="c"))


@dataclass(frozen=True)
class _Verdict:
    """What was found out about every voxel.

    finite: in all wanted rows; varies: over those that are train, bool [V]; stand_in: a value that stands for a missing one, NaN
    where there is none, [V]; content: sha256 of the wanted rows; key: what this is about, as the cache names it.
    """

    key: str
    finite: np.ndarray
    varies: np.ndarray
    stand_in: np.ndarray
    content: str

    @property
    def keep(self) -> np.ndarray:
        """Voxels that are not left out, bool [V]."""
        return np.asarray(self.finite & self.varies & np.isnan(self.stand_in))


def _verdict(measured: Measured, cache: Path) -> _Verdict:
    key = digest([_EDITION, measured.source.key, measured.average, *map(_content, (measured.stimulus, measured.split))])
    path = _folder(cache, key) / "verdict.npz"
    with cache_refuses(path):
        kept(path, lambda draft: _find_out(measured, draft))
        with np.load(path) as found:
            return _Verdict(key, found["finite"], found["varies"], found["stand_in"], str(found["content"]))


def _find_out(measured: Measured, path: Path) -> None:
    """Look at every value and write the verdict."""
    finite, varies, content, extremes = _look(measured)
    source = measured.source
    if isinstance(measured.source, ZScored):
        # A z-score hides what the value was.
        source = measured.source.raw
        extremes = ends(source, measured.rows)
    found = stand_ins(source, measured.rows, *extremes)
    with path.open("wb") as out:
        np.savez_compressed(out, finite=finite, varies=varies, stand_in=found, content=np.array(content))


def _refuse_leaks(measured: Measured) -> None:
    rows = measured.rows
    shown = np.unique(np.stack([measured.stimulus[rows].astype(str), measured.split[rows]], axis=1), axis=0)
    stimuli, sides = np.unique(shown[:, 0], return_counts=True)
    if (sides > 1).any():
        raise DataError(
            f"{measured.source.where}: rows of stimulus {stimuli[sides > 1][0]} of subject {measured.subject} are in "
            f"{int(sides.max())} splits: all repeats of an image must be in the same split"
        )


def _look(measured: Measured) -> tuple[np.ndarray, np.ndarray, str, tuple[np.ndarray, np.ndarray]]:
    """Finite and varying voxels, the content's digest, and the least and greatest values."""
    content = hashlib.sha256()
    voxels, train = measured.source.shape[1], measured.split == "train"
    finite = np.ones(voxels, bool)
    (low, high), (least, most) = _no_range(voxels), _no_range(voxels)
    for rows, values in measured.source.blocks(measured.rows):
        content.update(np.ascontiguousarray(values).tobytes())
        finite &= np.isfinite(values).all(axis=0)
        least, most = np.minimum(least, values.min(axis=0)), np.maximum(most, values.max(axis=0))
        fitted = values[train[rows]]
        low = np.minimum(low, fitted.min(axis=0, initial=np.inf))
        high = np.maximum(high, fitted.max(axis=0, initial=-np.inf))
    return finite, low < high, content.hexdigest(), (least, most)


def _no_range(voxels: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(voxels, np.inf, np.float32), np.full(voxels, -np.inf, np.float32)


def _write(path: Path, measured: Measured, keep: np.ndarray) -> None:
    """Write the values that are left."""
    shape = (len(_first_rows(measured)) if measured.average else len(measured.rows), int(keep.sum()))
    _refuse_full(path.parent, 4 * shape[0] * shape[1])
    target, share = _targets(measured)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)  # zeros
    for rows, values in measured.source.blocks(measured.rows):
        # Row by row: of an average, several may go to one.
        for row, value in zip(rows.tolist(), values, strict=True):
            out[target[row]] += value[keep] * share[row]
    out.flush()


def _targets(measured: Measured) -> tuple[np.ndarray, np.ndarray]:
    """Per row of the source: the row it is written to, and its share in that row's mean; [R] each."""
    target, share = np.zeros(len(measured.split), int), np.ones(len(measured.split), np.float32)
    if not measured.average:
        target[measured.rows] = np.arange(len(measured.rows))
        return target, share
    position = {s: i for i, s in enumerate(measured.stimulus[_first_rows(measured)].tolist())}
    shown, count = np.unique(measured.stimulus[measured.rows], return_counts=True)
    shares = dict(zip(shown.tolist(), (1 / count).tolist(), strict=True))
    for row in measured.rows.tolist():
        stimulus = int(measured.stimulus[row])
        target[row], share[row] = position[stimulus], shares[stimulus]
    return target, share


def _first_rows(measured: Measured) -> np.ndarray:
    """The first row of every stimulus that has a split, ascending."""
    rows = measured.rows
    _, first = np.unique(measured.stimulus[rows], return_index=True)
    return rows[np.sort(first)]


def _refuse_full(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StoreError(
            f"{folder} has {free / 1e9:.1f} GB left, the responses take {needed / 1e9:.1f} GB: free space there, or move the "
            "cache with BRAINBENCH_CACHE"
        )


def _notes(measured: Measured, verdict: _Verdict, rois: Mapping[str, np.ndarray]) -> Iterator[str]:
    total, bad = len(verdict.finite), int((~verdict.finite).sum())
    coded = verdict.finite & ~np.isnan(verdict.stand_in)
    constant = int((verdict.finite & ~coded & ~verdict.varies).sum())
    counts = {
        "with NaN or infinite values": bad,
        f"with a value that stands for a missing one ({_told(verdict.stand_in, coded)})": int(coded.sum()),
        "constant over train": constant,
    }
    if not verdict.keep.any():
        reasons = [f"{bad} with NaN or infinite values", f"{constant} constant over the train rows"]
        reasons += [f"{count} {reason}" for reason, count in counts.items() if count and "missing" in reason]
        raise DataError(
            f"{measured.source.where}: no voxel is left of {total}: {', '.join(reasons)}; leave stimuli without responses out "
            "of stimuli.csv or splits.csv"
        )
    reasons = [f"{count} {reason}" for reason, count in counts.items() if count]
    if reasons:
        yield f"dropped {sum(counts.values())} of {total} voxels: {', '.join(reasons)}"
    if measured.coordinates is None:
        yield f"{measured.flat}: topology cannot be used"
    if measured.rois.keys() - rois.keys():
        yield f"ROIs without a voxel left: {', '.join(name for name in measured.rois if name not in rois)}"


def _told(stand_in: np.ndarray, coded: np.ndarray) -> str:
    voxels = np.flatnonzero(coded)
    said = [f"{stand_in[voxel]:g} in voxel {voxel}" for voxel in voxels[:3].tolist()]
    return ", ".join([*said, *([f"and {len(voxels) - 3} more"] if len(voxels) > 3 else [])])


def _lies_whole(measured: Measured, shape: tuple[int, ...]) -> np.ndarray | None:
    """The source's own file, if it holds just the values that are left."""
    whole = measured.source.whole
    return whole if whole is not None and not measured.average and whole.shape == shape else None


def _values(cache: Path, verdict: _Verdict) -> Path:
    return _folder(cache, verdict.key) / "values.npy"


def _folder(cache: Path, key: str) -> Path:
    return cache / "responses" / key[:32]


def _flat(rois: Mapping[str, np.ndarray]) -> Iterator[np.ndarray | str]:
    for name in sorted(rois):
        yield name
        yield rois[name]


def _content(part: np.ndarray | str | None) -> str | None:
    if isinstance(part, np.ndarray):
        return digest([list(part.shape), part.dtype.str, np.ascontiguousarray(part).tobytes().hex()])
    return part
