"""Rows of networks before and after tuning -> what tuning took from each score (Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from brainbench.leaderboard.board import Board, Line, precise
from brainbench.leaderboard.intervals import Estimate, Scores
from brainbench.leaderboard.markdown import SIMULATED, titled
from brainbench.leaderboard.rows import Column, pooled
from brainbench.leaderboard.text_tables import INCOMPLETE, csv, markdown, names, rounded
from brainbench.records import BackboneFacts, RowKey
from brainbench.util.files import file_name
from brainbench.util.texts import markdown_text

_TUNED, _SEED = "tuned:", "/seed-"
_READ = (
    "Each row compares a tuned network with the same network before, by the same encoder. drop: score before less score after, "
    "with its 95 % interval over test images and seeds of the fit, for which both networks were shown the same images; share "
    "kept: after over before. Then every other score, before → after."
)


@dataclass(frozen=True)
class Pair:
    """A tuned network and the one it was made of. task: what follows the @ in its name, without the seed of the tuning."""

    board: Board
    before: Line
    after: Line

    @property
    def task(self) -> str:
        """The task, and the layer of the head if it is not the last."""
        return _task(self.after.row.key.backbone).partition(_SEED)[0]

    @property
    def seed(self) -> int:
        """The seed of the tuning."""
        return int(self.after.row.key.backbone.rpartition(_SEED)[2]) if _SEED in self.after.row.key.backbone else 0

    def change(self, column: Column) -> tuple[float, float] | None:
        """Return a score (before, after); None if one is missing."""
        figures = [line.figures[column] for line in (self.before, self.after)]
        known = [figure[0] for figure in figures if figure is not None]
        return (known[0], known[1]) if len(known) == 2 else None

    def drop(self, column: Column) -> Estimate | None:
        """Return the score before less that after, paired by image; None if a cell has no draws of the test images."""
        samples = [line.row.sample(column) for line in (self.before, self.after)]
        if samples[0] is None or samples[1] is None or samples[0].cells.keys() != samples[1].cells.keys():
            return None
        return Scores([samples[0], samples[1]]).estimates(np.array([0]), np.array([1]))[0]


def pairs(board: Board) -> list[Pair]:
    """Return the pairs of a board, in the order of the networks before, tasks and seeds.

    A tuned network is compared with the row of its base weights; without that row, or if several have its name, it is left out.
    """
    found = []
    for line in board.lines:
        key = line.row.key
        if not key.weights.startswith(_TUNED) or not key.encoder:
            continue
        wanted = key._replace(backbone=key.backbone[: -len(_task(key.backbone)) - 1], weights=_base(line))
        before = [other for other in board.lines if other.row.key == wanted]
        if before:
            found.append(Pair(board, before[0], line))
    return sorted(found, key=lambda pair: (pair.before.row.key, pair.task, pair.seed))


def files(name: str, boards: Sequence[Board]) -> dict[Path, str]:
    """Return ``<dataset>.forgetting.md`` and ``.csv`` -> content; empty if there is no pair."""
    some = [pair for board in boards for pair in pairs(board)]
    if not some:
        return {}
    return {
        Path(f"{file_name(name)}.forgetting.md"): page(some),
        Path(f"{file_name(name)}.forgetting.csv"): csv(frame(some)),
    }


def frame(some: Sequence[Pair]) -> pd.DataFrame:
    """Return one line per pair and score for the CSV."""
    out = []
    for pair in some:
        key, edition = pair.before.row.key, pair.board.edition
        facts: dict[str, object] = {
            "dataset": edition.dataset,
            "dataset_version": edition.version,
            "dataset_settings": edition.settings,
            "task": pair.task,
            "tuning_seed": pair.seed,
            **key._asdict(),
            "tuned_weights": pair.after.row.key.weights,
        }
        for column in pair.board.columns:
            if (change := pair.change(column)) is None:
                continue
            drop = pair.drop(column)
            out.append(
                facts
                | {"figure": column.heading, "before": precise(change[0]), "after": precise(change[1])}
                | {"drop": precise(change[0] - change[1])}
                | {"low": precise(drop.low if drop else None), "high": precise(drop.high if drop else None)}
                | {"share_kept": precise(_share(*change))}
            )
    return pd.DataFrame(out)


def page(some: Sequence[Pair]) -> str:
    """The Markdown page of one dataset."""
    facts = some[0].board.edition.records[0].dataset
    lines = [f"# Forgetting: {titled(facts)}", ""]
    if facts.simulated:
        lines += [f"**{SIMULATED}**", ""]
    lines += [_READ, ""]
    several = len({id(pair.board) for pair in some}) > 1
    for board in dict.fromkeys(id(pair.board) for pair in some):
        own = [pair for pair in some if id(pair.board) == board]
        edition = own[0].board.edition
        if several:
            what = " ".join(filter(None, (f"dataset version {edition.version}", edition.settings)))
            lines += [f"## {markdown_text(what)}", ""]
        lines += [markdown(_table(own)), ""]
        if seeds := _over_seeds(own):
            lines += ["Over seeds of the tuning, mean ± sd:", "", markdown(pd.DataFrame(seeds)), ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(some: Sequence[Pair]) -> pd.DataFrame:
    board = some[0].board
    first, *others = board.columns
    rois = {name for record in board.edition.records for name in record.dataset.rois}
    shown = [one for one in others if one.value not in rois and one.direction != "none"]
    out = []
    for pair in some:
        cells = names(pair.before.row.key) | {"task": pair.task, "seed": str(pair.seed)}
        change, drop = pair.change(first), pair.drop(first)
        digits = first.digits
        cells |= {
            f"{first.heading} before": rounded(change[0], digits) if change else INCOMPLETE,
            "after": rounded(change[1], digits) if change else INCOMPLETE,
            "drop": _drop(change, drop, digits),
            "share kept": _percent(_share(*change)) if change else INCOMPLETE,
        }
        for column in shown:
            other = pair.change(column)
            cells[column.heading] = (
                f"{rounded(other[0], column.digits)} → {rounded(other[1], column.digits)}" if other else INCOMPLETE
            )
        out.append(cells)
    return pd.DataFrame(out)


def _over_seeds(some: Sequence[Pair]) -> list[dict[str, str]]:
    """Return one row per network and task that was tuned with several seeds."""
    groups: dict[tuple[RowKey, str], list[Pair]] = {}
    for pair in some:
        groups.setdefault((pair.before.row.key, pair.task), []).append(pair)
    first = some[0].board.columns[0]
    out = []
    for (key, task), group in groups.items():
        changes = [change for pair in group if (change := pair.change(first))]
        if len(changes) < 2:
            continue
        cells = names(key) | {"task": task, "seeds": str(len(changes))}
        for heading, values in (
            (f"{first.heading} after", [after for _, after in changes]),
            ("drop", [before - after for before, after in changes]),
        ):
            mean, sd = pooled(values)
            cells[heading] = f"{rounded(mean, first.digits)} ± {sd or 0:.{first.digits}f}"
        out.append(cells)
    return out


def _drop(change: tuple[float, float] | None, drop: Estimate | None, digits: int) -> str:
    if change is None:
        return INCOMPLETE
    interval = f" [{rounded(drop.low, digits)}, {rounded(drop.high, digits)}]" if drop else ""
    return rounded(change[0] - change[1], digits) + interval


def _share(before: float, after: float) -> float | None:
    """Of a score that was not above zero, nothing can be kept."""
    return after / before if before > 0 else None


def _percent(share: float | None) -> str:
    return INCOMPLETE if share is None else f"{100 * share:.0f} %"


def _task(backbone: str) -> str:
    return backbone.rpartition("@")[2]


def _base(line: Line) -> str:
    """The label of the weights that were tuned, from ``BackboneFacts.weights_source``."""
    facts: BackboneFacts = line.row.records[0].backbone
    return (facts.weights_source or "").rpartition(", tuned on ")[0]
