"""Boards -> the Markdown page: what it shows, what it does not show, what to run next; then the tables."""

from __future__ import annotations

from collections.abc import Sequence

from brainbench.leaderboard.board import Board, Line
from brainbench.leaderboard.rows import Column, Edition
from brainbench.leaderboard.text_tables import INTERVAL, markdown, tables
from brainbench.records import DatasetFacts, RowKey
from brainbench.util.texts import markdown_line, markdown_text

SIMULATED = "Simulated brains, miniature networks: this shows that the tool works, not which model is brain-like."
NO_DRAWS = "no rank: its records have no draws of the test images, or not all of them; run it again with --fresh"
NEXT_REAL = "brainbench run --dataset folder --data PATH --backbones all"


def page(boards: Sequence[Board]) -> str:
    """Return the page of one dataset, one section per edition. The same boards give the same bytes."""
    first = boards[0].edition.records[0].dataset
    lines = [f"# Leaderboard: {titled(first)}", ""]
    lines += _opening(boards[0].edition)
    for number, board in enumerate(boards):
        if len(boards) > 1:
            what = " ".join(filter(None, (f"dataset version {board.edition.version}", board.edition.settings)))
            lines += [f"## Edition {number + 1} of {len(boards)}: {markdown_text(what)}", ""]
        lines += _section(board)
    return "\n".join(lines).rstrip() + "\n"


def titled(facts: DatasetFacts) -> str:
    """Return a dataset's title, and its name if that is another, for a heading."""
    return markdown_text(facts.title if facts.title == facts.name else f"{facts.title} ({facts.name})")


def _opening(edition: Edition) -> list[str]:
    facts = edition.records[0].dataset
    if facts.simulated:
        lines = [f"**{SIMULATED}**", "To rank real networks on real data, in the layout that the README describes:", ""]
    else:
        lines = [
            f"How well each network agrees with what was measured in {markdown_text(facts.title)}, and which of its "
            "layers are read.",
            "It says nothing about other data, and a small difference may be noise. To add networks to it:",
            "",
        ]
    command = (
        NEXT_REAL if facts.simulated else f"brainbench run --dataset {facts.name} --data PATH --backbones NAME,NAME"
    )
    return [*lines, f"    {command}", ""]


def _section(board: Board) -> list[str]:
    lines = [*_explained(board), ""]
    for table in tables(board):
        lines += [f"### {markdown_text(table.title)}", ""] if table.title else []
        lines += [markdown_line(table.note), ""] if table.note else []
        lines += [markdown(table.frame), ""]
    return lines + _incomplete(board) + _remarks(board) + _provenance(board.edition)


def explanations(board: Board) -> list[str]:
    """Say how to read the shown columns, in the words of their metrics, and the first one's interval and rank."""
    drawn = [column for column in board.columns if any(column in line.intervals for line in board.lines)]
    said: dict[str, None] = {}
    for place, column in enumerate(board.columns, start=1):
        said |= {column.explanation: None} if column.explanation else {}
        last = place == len(board.columns) or board.columns[place].metric != column.metric
        if drawn and last and column.metric == drawn[0].metric:
            said[interval_explained(drawn[0])] = None
    return list(said)


def interval_explained(column: Column) -> str:
    """Explain the interval of a column, and the rank that follows from it."""
    return (
        f"{INTERVAL}: where {column.heading} would lie for these subjects with other test images (1,000 paired bootstrap draws) "
        "and other seeds; its centre is corrected for bias. rank: one more than the number of rows that are better beyond doubt "
        "(corrected for all comparisons of a row, Holm), never a better one than the row above; rows that cannot be told apart "
        "share a rank."
    )


def _explained(board: Board) -> list[str]:
    first = "A row: a backbone with its weights, and an encoder. Figures: mean ± sd over subjects and seeds."
    last = "cells: jobs done of jobs asked for; incomplete rows come last. Best bold, second best italic."
    return [f"- {markdown_line(text)}" for text in (first, *explanations(board), last)]


def _incomplete(board: Board) -> list[str]:
    reasons = sorted({reason for line in board.lines for reason in line.row.failures})
    return ["### What failed", "", *[f"- {markdown_line(reason)}" for reason in reasons], ""] if reasons else []


def _remarks(board: Board) -> list[str]:
    found: dict[str, set[RowKey]] = {}
    for line in board.lines:
        for job in [*line.row.cells.values(), *line.row.tokens]:
            for name, result in job.items():
                for remark in filter(None, [result.not_applicable, *result.notes]):
                    found.setdefault(f"{name}: {remark}", set()).add(line.row.key)
        for record in line.row.records:
            for note in record.notes:
                found.setdefault(note, set()).add(line.row.key)
        if _unranked(line, board):
            found.setdefault(NO_DRAWS, set()).add(line.row.key)
        for subject, seed in line.row.beyond:
            text = f"subject {subject}, seed {seed} is left out of the scores, because most rows lack it"
            found.setdefault(text, set()).add(line.row.key)
    everyone = {line.row.key for line in board.lines}
    notes = [f"- {markdown_line(text)}{_whom(keys, everyone)}" for text, keys in sorted(found.items())]
    return ["### Notes", "", *notes, ""] if notes else []


def _unranked(line: Line, board: Board) -> bool:
    """Whether a row has no rank although it has the score that ranks rows, in every cell."""
    scored = any(line.figures[column] for column in board.columns[:1] if column.direction != "none")
    return scored and line.complete and not (line.rank or line.row.control)


def _whom(keys: set[RowKey], everyone: set[RowKey]) -> str:
    """Name the rows that a remark applies to, as briefly as possible."""
    encoders = {key.encoder for key in keys}
    backbones = {key.backbone for key in keys}
    if keys == everyone:
        return ""
    if keys == {key for key in everyone if key.encoder in encoders}:
        return _named(encoders)
    if keys == {key for key in everyone if key.backbone in backbones}:
        return _named(backbones)
    return _named({f"{key.backbone} x {key.encoder}" for key in keys})


def _named(names: set[str]) -> str:
    return f" ({', '.join(map(markdown_text, sorted(names)))})"


def _provenance(edition: Edition) -> list[str]:
    subjects = sorted({(r.dataset.subject, *_sizes(r.dataset)) for r in edition.records if r.dataset.split_hash})
    lines = ["### What stands behind it", "", f"dataset {edition.dataset}, version {edition.version}"]
    lines += [
        f"subject {name}: {voxels} voxels, {train} + {val} + {test} responses for train, val and test, split {split[:12]}"
        for name, voxels, train, val, test, split in subjects
    ]
    licences = sorted({r.dataset.licence for r in edition.records if r.dataset.licence})
    lines += [f"data licence: {licence}" for licence in licences]
    networks: dict[str, set[str]] = {}
    for record in edition.records:
        if record.backbone.licence:
            networks.setdefault(record.backbone.licence, set()).add(record.backbone.name)
    lines += [f"{', '.join(sorted(names))}: licence {licence}" for licence, names in sorted(networks.items())]
    versions: dict[str, set[str]] = {}
    for record in edition.records:
        for name, number in record.versions.items():
            versions.setdefault(name, set()).add(number)
    spelled = ", ".join(f"{name} {' and '.join(sorted(numbers))}" for name, numbers in sorted(versions.items()))
    return [*lines[:2], *(f"- {markdown_line(line)}" for line in [*lines[2:], f"versions: {spelled}"]), ""]


def _sizes(facts: object) -> tuple[int, int, int, int, str]:
    sizes, voxels, split = facts.split_sizes, facts.voxels, facts.split_hash  # type: ignore[attr-defined]
    return voxels, sizes.get("train", 0), sizes.get("val", 0), sizes.get("test", 0), split
