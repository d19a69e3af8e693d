"""Boards that differ only in their training images -> one table: how much data each row needs (appendix G)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from brainbench.leaderboard.board import Board, precise
from brainbench.leaderboard.markdown import SIMULATED, titled
from brainbench.leaderboard.rows import Edition
from brainbench.leaderboard.text_tables import INCOMPLETE, csv, markdown, names
from brainbench.records import RowKey
from brainbench.util.files import file_name
from brainbench.util.texts import markdown_text

ALL = "all"


@dataclass(frozen=True)
class Curve:
    """The scores of every row for each number of training images.

    edition: that with the most images; figure: heading of the boards' first column; digits: its decimals; sizes: ascending,
    0 for all comes last; figures: row -> size -> (mean, sd), if the row is complete; controls: rows listed separately.
    """

    edition: Edition
    figure: str
    digits: int
    sizes: tuple[int, ...]
    figures: dict[RowKey, dict[int, tuple[float, float | None]]]
    controls: frozenset[RowKey]


def curves(boards: Sequence[Board]) -> list[Curve]:
    """Return the curves in the boards of one dataset: boards that differ only in ``train_images``."""
    found: dict[tuple[object, ...], dict[int, Board]] = {}
    for board in boards:
        found.setdefault(_identity(board.edition), {})[size(board.edition)] = board
    return [_curve(some) for some in found.values() if len(some) > 1]


def files(name: str, boards: Sequence[Board]) -> dict[Path, str]:
    """Return ``<dataset>.curve.md`` and ``.csv`` -> content; empty if no two boards differ only in their training images."""
    some = curves(boards)
    if not some:
        return {}
    table = pd.concat([frame(curve) for curve in some], ignore_index=True)
    return {
        Path(f"{file_name(name)}.curve.md"): page(some),
        Path(f"{file_name(name)}.curve.csv"): csv(table),
    }


def size(edition: Edition) -> int:
    """Return the number of training images, 0 for all."""
    return int(edition.records[0].dataset.changed.get("train_images", 0))


def frame(curve: Curve) -> pd.DataFrame:
    """Return all rows for the CSV: mean and sd for each number of training images."""
    rows = []
    for key in _order(curve):
        facts: dict[str, object] = {
            "dataset": curve.edition.dataset,
            "dataset_version": curve.edition.version,
            "figure": curve.figure,
            "control": key in curve.controls,
            **key._asdict(),
        }
        for images in curve.sizes:
            mean, sd = curve.figures[key].get(images, (None, None))
            facts[_heading(images)] = precise(mean)
            facts[f"{_heading(images)} sd"] = precise(sd)
        rows.append(facts)
    return pd.DataFrame(rows)


def page(some: Sequence[Curve]) -> str:
    """The Markdown page of one dataset's curves."""
    facts = some[0].edition.records[0].dataset
    lines = [f"# Training images: {titled(facts)}", ""]
    if facts.simulated:
        lines += [f"**{SIMULATED}**", ""]
    for curve in some:
        version = markdown_text(curve.edition.version)
        lines += [
            f"{markdown_text(curve.figure)} on the same test images (dataset version {version}), trained on as many "
            "images as the heading says. Smaller sets lie within larger ones. Figures: mean ± sd over subjects and seeds.",
            "",
        ]
        shown = _order(curve)
        for title, keys in (("", [k for k in shown if k not in curve.controls]),
                            ("## Controls", [k for k in shown if k in curve.controls])):  # fmt: skip
            if keys:
                lines += [*([title, ""] if title else []), _markdown(curve, keys), ""]
    return "\n".join(lines).rstrip() + "\n"


def _identity(edition: Edition) -> tuple[object, ...]:
    """Return what two editions share if they differ only in their training images."""
    changed = edition.records[0].dataset.changed
    settings = sorted((name, str(value)) for name, value in changed.items() if name != "train_images")
    splits = {(r.dataset.subject, r.dataset.full_split_hash or r.dataset.split_hash) for r in edition.records}
    return edition.version, tuple(settings), frozenset(splits)


def _curve(boards: dict[int, Board]) -> Curve:
    sizes = tuple(sorted(boards, key=lambda images: images or math.inf))
    first = boards[sizes[0]].columns[0]
    figures: dict[RowKey, dict[int, tuple[float, float | None]]] = {}
    controls = set()
    for images in sizes:
        for line in boards[images].lines:
            known = figures.setdefault(line.row.key, {})
            figure = line.figures.get(first)
            if figure is not None:
                known[images] = figure
            if line.row.control:
                controls.add(line.row.key)
    return Curve(boards[sizes[-1]].edition, first.heading, first.digits, sizes, figures, frozenset(controls))


def _order(curve: Curve) -> list[RowKey]:
    """Sort networks before controls, and by the score with the most images."""

    def rank(key: RowKey) -> tuple[object, ...]:
        last = curve.figures[key].get(curve.sizes[-1])
        return (key in curve.controls, -last[0] if last else math.inf, key)

    return sorted(curve.figures, key=rank)


def _markdown(curve: Curve, keys: Sequence[RowKey]) -> str:
    return markdown(
        pd.DataFrame(
            [
                names(key)
                | {_heading(images): _text(curve.figures[key].get(images), curve.digits) for images in curve.sizes}
                for key in keys
            ]
        )
    )


def _heading(images: int) -> str:
    return str(images) if images else ALL


def _text(figure: tuple[float, float | None] | None, digits: int) -> str:
    if figure is None:
        return INCOMPLETE
    mean, sd = figure
    return f"{mean:.{digits}f}" + (f" ± {sd:.{digits}f}" if sd is not None else "")
