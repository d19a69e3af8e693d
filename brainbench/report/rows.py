"""Rows of a board -> what their pages show: the voxels of every subject, for the first seed, and of all together.

Voxels are read a row at a time, because those of all rows can be gigabytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from brainbench.leaderboard.board import Board, Line
from brainbench.plot import Voxels, from_record, together
from brainbench.records import Record
from brainbench.types import ArrayNames
from brainbench.util.hashing import digest


@dataclass(frozen=True)
class Panel:
    """One tab of a page. name: in scripts; label: for readers."""

    name: str
    label: str
    voxels: Voxels


@dataclass(frozen=True)
class ReportRow:
    """A row of a board with its page.

    slug: its file name; title: its name for readers; seed: of the maps; fits: the finished jobs of that seed, by subject;
    results: the folder with their arrays.
    """

    slug: str
    title: str
    board: Board
    line: Line
    seed: int
    fits: tuple[Record, ...]
    results: Path

    @property
    def records(self) -> list[Record]:
        """Return its jobs, by subject and seed; those of the backbone alone come last."""
        return sorted(self.line.row.records, key=lambda r: (r.encoder is None, r.dataset.subject, r.seed, r.key))

    @property
    def painted(self) -> bool:
        """Whether values per voxel were kept."""
        kept = (ArrayNames.per_voxel("r2"), *map(ArrayNames.selector, ArrayNames.SELECTORS))
        return any(
            f"{one.key}.zarr/{name}" in one.artifacts and _stored(one, self.results)
            for one in self.fits
            for name in kept
        )

    def panels(self) -> tuple[Panel, ...]:
        """Read the voxels."""
        found = [_voxels(record, self.results) for record in self.fits]
        kept = [voxels for voxels in found if voxels.count] or found
        single = [Panel(f"subject {name}", f"Subject {name}", one) for one in kept if (name := _subject(one))]
        if len(single) < 2:
            return tuple(single)
        whole = together(kept, f"{_title(self.line)}, {len(kept)} subjects")
        # Without a common mesh voxels cannot be averaged; then all voxels of all subjects are shown side by side.
        label = f"Average of {len(kept)} subjects" if whole.surface else f"All {len(kept)} subjects"
        return (Panel("all", label, whole), *(one for one in single if one.voxels.count))


def report_rows(board: Board, results: Path) -> list[ReportRow]:
    """Return the rows of a board, controls last; results: the folder with the arrays."""
    return [_row(board, line, results) for line in board.lines]


def _row(board: Board, line: Line, results: Path) -> ReportRow:
    key = line.row.key
    fits = [r for r in line.row.records if r.encoder is not None and r.status == "done"]
    seed = min((r.seed for r in fits), default=0)
    chosen = sorted((r for r in fits if r.seed == seed), key=lambda r: r.dataset.subject)
    others = sum(one.row.key.backbone == key.backbone and one.row.key.encoder == key.encoder for one in board.lines)
    # Rows of one backbone and encoder differ in weights or settings: the weights tell them apart too.
    named = f"{_title(line)} ({key.weights})" if others > 1 else _title(line)
    return ReportRow(_slug(board, line), named, board, line, seed, tuple(chosen), results)


def _title(line: Line) -> str:
    key = line.row.key
    network = " ".join(filter(None, (key.backbone, key.backbone_settings)))
    fit = " ".join(filter(None, (key.encoder, key.encoder_settings)))
    return " × ".join(filter(None, (network, fit)))  # noqa: RUF001 - a times sign


def _slug(board: Board, line: Line) -> str:
    """Return a file name from the letters of the names and a digest of the row's identity, so that no two rows share a file."""
    key, edition = line.row.key, board.edition
    words = re.sub(r"[^a-z0-9]+", "-", f"{edition.dataset} {key.backbone} {key.encoder}".lower()).strip("-")[:60]
    whole = (edition.dataset, edition.version, edition.settings, *_splits(board), *key)
    return f"{words}-{digest(list(whole))[:8]}"


def _splits(board: Board) -> list[str]:
    return sorted({record.dataset.split_hash or "" for record in board.edition.records})


def _voxels(record: Record, results: Path) -> Voxels:
    """Return what is stored for a record or, if nothing is, what the record alone says."""
    return from_record(record if _stored(record, results) else replace(record, artifacts={}), results)


def _stored(record: Record, results: Path) -> bool:
    return (results / f"{record.key}.zarr").exists()


def _subject(voxels: Voxels) -> str:
    return voxels.records[0].dataset.subject
