"""Boards -> tables with one column per layer, which show where in each network a score rises and falls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from brainbench.leaderboard.board import Board, Line, precise
from brainbench.leaderboard.markdown import SIMULATED, titled
from brainbench.leaderboard.rows import Column, Row, direction_of, pooled
from brainbench.leaderboard.text_tables import INCOMPLETE, csv, markdown, names, rounded
from brainbench.records import Display, MetricResult
from brainbench.util.files import file_name
from brainbench.util.texts import markdown_text

Figure = tuple[float, float | None]


@dataclass(frozen=True)
class LayerTable:
    """The scores of every row for each of its layers.

    board: its source; own: the column that the layers break down, which the board may lack; beside: the board's columns
    shown next to them; layers: for each row that has them, in the board's order: layer -> (mean, sd), early to late, None
    if a cell lacks it.
    """

    board: Board
    own: Column
    beside: tuple[Column, ...]
    layers: tuple[tuple[Line, dict[str, Figure | None]], ...]


def layer_tables(board: Board) -> list[LayerTable]:
    """Make the tables of a board: one for each entry of a metric's ``MetricCard.layers``."""
    found: dict[tuple[str, str, str], Display] = {}
    for line in board.lines:
        for metric, result in _results(line.row):
            found |= dict.fromkeys(
                ((metric, result.version, prefix) for prefix in result.display.layers), result.display
            )
    columns = {(column.metric, column.version, column.value): column for column in board.columns}
    tables = []
    for (metric, version, prefix), display in sorted(found.items(), key=lambda item: item[0][:2]):
        values = display.layers[prefix]
        # A stranger's record may name no column, or one that it does not have.
        if not values or values[0] not in display.columns:
            continue
        first = values[0]
        direction = direction_of(display, first)
        own = Column(metric, version, first, display.columns[first], direction, display.digits)
        beside = [columns[metric, version, value] for value in values if (metric, version, value) in columns]
        layers = [(line, some) for line in board.lines if (some := _layers(line, metric, version, prefix))]
        if layers:
            tables.append(LayerTable(board, columns.get((metric, version, first), own), tuple(beside), tuple(layers)))
    return tables


def files(name: str, boards: Sequence[Board]) -> dict[Path, str]:
    """Return ``<dataset>.layers.md`` and ``.csv`` -> content; empty if no metric has scores by layer."""
    tables = [table for board in boards for table in layer_tables(board)]
    if not tables:
        return {}
    return {
        Path(f"{file_name(name)}.layers.md"): page(tables),
        Path(f"{file_name(name)}.layers.csv"): csv(frame(tables)),
    }


def frame(tables: Sequence[LayerTable]) -> pd.DataFrame:
    """Return one line per score for the CSV: those of the layers, numbered from 1, then those next to them, without a number."""
    out = []
    for table in tables:
        edition = table.board.edition
        for line, layers in table.layers:
            facts: dict[str, object] = {
                "dataset": edition.dataset,
                "dataset_version": edition.version,
                "dataset_settings": edition.settings,
                "control": line.row.control,
                **line.row.key._asdict(),
            }
            figures = [(table.own, number, *one) for number, one in enumerate(layers.items(), start=1)]
            for column, number, layer, figure in [*figures, *((c, "", "", line.figures[c]) for c in table.beside)]:
                mean, sd = figure or (None, None)
                out.append(
                    facts
                    | {"figure": column.heading, "number": number, "layer": layer}
                    | {"mean": precise(mean), "sd": precise(sd)}
                )
    return pd.DataFrame(out)


def page(tables: Sequence[LayerTable]) -> str:
    """The Markdown page of one dataset's tables."""
    facts = tables[0].board.edition.records[0].dataset
    lines = [f"# Layer by layer: {titled(facts)}", ""]
    if facts.simulated:
        lines += [f"**{SIMULATED}**", ""]
    lines += [
        "Columns 1, 2 ...: the layers of each network that have a figure, early to late; the `.csv` has their names. Figures: mean "
        "over subjects and seeds; a row's best layer bold. To the right what the board shows. Controls below, in the same order as "
        "there.",
        "",
    ]
    several = len({id(table.board) for table in tables}) > 1
    for table in tables:
        edition = table.board.edition
        what = " ".join(filter(None, (f"dataset version {edition.version}", edition.settings)))
        lines += [f"## {markdown_text(table.own.heading + (f', {what}' if several else ''))}", ""]
        for title, control in (("", False), ("### Controls", True)):
            rows = [(line, layers) for line, layers in table.layers if line.row.control == control]
            if rows:
                lines += [*([title, ""] if title else []), markdown(_shown(table, rows)), ""]
    return "\n".join(lines).rstrip() + "\n"


def _results(row: Row) -> Iterator[tuple[str, MetricResult]]:
    for job in [*row.cells.values(), *row.tokens]:
        yield from job.items()


def _layers(line: Line, metric: str, version: str, prefix: str) -> dict[str, Figure | None]:
    """Return layer -> (mean, sd), in the metric's order; empty for a row without any."""
    given = {
        value: None
        for name, result in _results(line.row)
        if (name, result.version) == (metric, version)
        for value in result.values
        if value.startswith(prefix)
    }
    figures = {}
    for value in given:
        found = line.row.figures(Column(metric, version, value, value, "none", 0), line.expected)
        figures[value.removeprefix(prefix)] = pooled(found) if found else None
    return figures


def _shown(table: LayerTable, rows: Sequence[tuple[Line, dict[str, Figure | None]]]) -> pd.DataFrame:
    """Return the text of the table. Networks of different depth share it: the shallower ones leave the last columns empty."""
    depth = max(len(layers) for _, layers in table.layers)
    out = []
    for line, layers in rows:
        cells = [INCOMPLETE if figure is None else rounded(figure[0], table.own.digits) for figure in layers.values()]
        best = _best(cells, table.own.direction)
        numbered = {str(n): f"**{cell}**" if cell == best else cell for n, cell in enumerate(cells, start=1)}
        blank = {str(n): "" for n in range(len(cells) + 1, depth + 1)}
        beside = {c.heading: rounded(f[0], c.digits) if (f := line.figures[c]) else INCOMPLETE for c in table.beside}
        out.append(names(line.row.key) | numbered | blank | beside)
    return pd.DataFrame(out)


def _best(cells: Sequence[str], direction: str) -> str | None:
    """Return the best score as printed; layers that print the same share the mark."""
    there = [cell for cell in cells if cell != INCOMPLETE]
    if direction == "none" or not there:
        return None
    return (max if direction == "higher" else min)(there, key=float)
