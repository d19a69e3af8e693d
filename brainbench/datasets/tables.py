"""Reading csv and tsv tables: every complaint names the file and the line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench.datasets.spelling import near_miss
from brainbench.errors import DataError


@dataclass(frozen=True)
class Row:
    """One line of a table. where: file and line, for messages; cells: text by column, stripped."""

    where: str
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def number(self, column: str) -> int:
        """A whole number, or DataError."""
        try:
            return int(self.cells[column])
        except ValueError:
            raise DataError(f"{self.where}: {column} is {self.cells[column]!r}, expected a whole number") from None


def read_rows(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """The lines of a table with a header; other columns than those named are left alone.

    Raises DataError for a missing or misspelt column, an empty cell in ``columns`` and a line of another length.
    """
    lines = _lines(path)
    _, header = next(lines, (1, []))
    missing = [column for column in columns if column not in header]
    if missing:
        found = ", ".join(header) or "nothing"
        raise DataError(
            f"{path}: no column {', '.join(missing)} in its first line ({found}); needed: {', '.join(columns)}"
        )
    slip = near_miss(header, [*columns, *optional])
    if slip:
        raise DataError(f"{path}: column {slip[0]!r} would not be read: did you mean {slip[1]!r}?")
    return [_row(path, number, header, cells, columns) for number, cells in lines]


def _row(path: Path, number: int, header: list[str], cells: list[str], columns: Sequence[str]) -> Row:
    where = f"{path}, line {number}"
    if len(cells) != len(header):
        raise DataError(f"{where}: {len(cells)} cells, but the header has {len(header)}")
    row = Row(where, dict(zip(header, cells, strict=True)))
    for column in columns:
        if not row[column]:
            raise DataError(f"{where}: {column} is empty; fill it in or delete the line")
    return row


def read_numbers(path: Path) -> np.ndarray:
    """A table of numbers [rows, columns], float32; a first line without any number is a header and is skipped.

    Raises DataError naming line and column of a cell that is not a number, and for lines of different lengths.
    """
    rows: list[np.ndarray] = []
    width = 0
    for number, cells in _lines(path):
        if not width:
            width = len(cells)
            if not any(_is_number(cell) for cell in cells):
                continue
        if len(cells) != width:
            raise DataError(f"{path}, line {number}: {len(cells)} cells, but the first line has {width}")
        rows.append(_numbers(path, number, cells))
    if not rows:
        raise DataError(f"{path} holds no numbers: expected one line a stimulus, one column a voxel")
    return np.stack(rows)


def _numbers(path: Path, number: int, cells: list[str]) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            return np.array([float(cell) for cell in cells]).astype(np.float32)
    except ValueError:
        column = next(i for i, cell in enumerate(cells) if not _is_number(cell))
        message = f"{path}, line {number}, column {column + 1}: {cells[column]!r} is not a number"
        raise DataError(f"{message}; write nan where there is no value") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    tabs = path.suffix.lower() == ".tsv"
    # utf-8-sig: spreadsheets like to put a byte order mark before the first column's name.
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter="\t" if tabs else ",")
            for cells in reader:
                if cells:
                    yield reader.line_num, [cell.strip() for cell in cells]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        word = "tab" if tabs else "comma"
        raise DataError(f"{path} cannot be read as a {word}-separated utf-8 table: {problem}") from problem
