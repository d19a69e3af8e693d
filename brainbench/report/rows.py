"""Rows of a board -> what their pages show: the voxels of every subject, for the first seed, and of all together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from brainbench.leaderboard.board import Board, Line
from brainbench.plot import Voxels, from_record, together
from brainbench.records import Record
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

    slug: its file name; title: its name for readers; seed: of the maps; absent: subjects without kept arrays.
    """

    slug: str
    title: str
    board: Board
    line: Line
    panels: tuple[Panel, ...]
    seed: int
    absent: tuple[str, ...]

    @property
    def records(self) -> list[Record]:
        """Return its jobs, by subject and seed; those of the backbone alone come last."""
        return sorted(self.line.row.records, key=lambda r: (r.encoder is None, r.dataset.subject, r.seed, r.key))


def report_rows(board: Board, results: Path) -> list[ReportRow]:
    """Return the rows of a board, controls last; results: the folder with the arrays."""
    return [_row(board, line, results) for line in board.lines]


def _row(board: Board, line: Line, results: Path) -> ReportRow:
    key = line.row.key
    fits = [r for r in line.row.records if r.encoder is not None and r.status == "done"]
    seed = min((r.seed for r in fits), default=0)
    chosen = sorted((r for r in fits if r.seed == seed), key=lambda r: r.dataset.subject)
    voxels = [_voxels(record, results) for record in chosen]
    absent = tuple(r.dataset.subject for r, found in zip(chosen, voxels, strict=True) if not found.count)
    network = " ".join(filter(None, (key.backbone, key.backbone_settings)))
    fit = " ".join(filter(None, (key.encoder, key.encoder_settings)))
    title = " × ".join(filter(None, (network, fit)))  # noqa: RUF001 - a times sign
    others = sum(one.row.key.backbone == key.backbone and one.row.key.encoder == key.encoder for one in board.lines)
    # Rows of one backbone and encoder differ in weights or settings: the weights tell them apart too.
    named = f"{title} ({key.weights})" if others > 1 else title
    return ReportRow(_slug(board, line), named, board, line, _panels(voxels, title), seed, absent)


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
    kept = (results / f"{record.key}.zarr").exists()
    return from_record(record if kept else replace(record, artifacts={}), results)


def _panels(found: Sequence[Voxels], title: str) -> tuple[Panel, ...]:
    kept = [voxels for voxels in found if voxels.count] or list(found)
    single = [Panel(f"subject {name}", f"Subject {name}", one) for one in kept if (name := _subject(one))]
    if len(single) < 2:
        return tuple(single)
    whole = together(kept, f"{title}, {len(kept)} subjects")
    # Without a common mesh voxels cannot be averaged; then all voxels of all subjects are shown side by side.
    label = f"Average of {len(kept)} subjects" if whole.surface else f"All {len(kept)} subjects"
    return (Panel("all", label, whole), *(one for one in single if one.voxels.count))


def _subject(voxels: Voxels) -> str:
    return voxels.records[0].dataset.subject
