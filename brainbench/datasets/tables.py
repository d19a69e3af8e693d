"""Reading csv and tsv tables: every complaint names the file and the line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench.datasets.file_kinds import advice
from brainbench.datasets.index_columns import has_index, is_nameless
from brainbench.datasets.separators import Line, is_number, table_lines
from brainbench.datasets.spelling import near_miss
from brainbench.errors import DataError

# How programs write that there is no value.
_MISSING = ("", "NA", "N/A", "#N/A", "NULL", "NONE", "-", ".", "?")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}([.,' \u00a0\u202f]\d{3})+([.,]\d+)?")
# To delete that column alone would lose the order of the rows.
NAMES_OF_IMAGES = "if that column names the images, move it to stimuli.csv, as its column image; else delete it"


@dataclass(frozen=True)
class Row:
    """One line of a table. where: file and line, for messages; cells: text by column, stripped and in Unicode's NFC."""

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


@dataclass(frozen=True)
class NumberTable:
    """A table of numbers. values: [rows, columns] float32; indexed: whether a first column, an index, was left out."""

    values: np.ndarray
    indexed: bool


def read_rows(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """The lines of a table with a header; other columns than those named are left alone.

    Cells are separated by commas, semicolons or tabs. Raises DataError for a missing or misspelt column, an empty cell in
    ``columns`` and a line of another length.
    """
    lines = table_lines(path, columns or optional[:1])
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
    row = Row(where, {name: unicodedata.normalize("NFC", cell) for name, cell in zip(header, cells, strict=True)})
    for column in columns:
        if not row[column]:
            raise DataError(f"{where}: {column} is empty; fill it in or delete the line")
    return row


def read_numbers(path: Path) -> np.ndarray:
    """A table of numbers [rows, columns], float32, as ``number_table`` reads it."""
    return read_number_table(path).values


def read_number_table(path: Path) -> NumberTable:
    """A text table of numbers, separated by commas, semicolons, tabs or spaces; see ``number_table``."""
    return number_table(path, table_lines(path))


def number_table(path: Path, lines: Iterable[Line]) -> NumberTable:
    """A table of numbers from its lines; path: for messages.

    A first line without any number is a header, and so is one that names an index. A first column that is an index is left out
    (see ``has_index``). Decimals may have a comma where it does not separate cells. Raises DataError naming line and column of
    a cell that is not a number, and for lines of different lengths.
    """
    rows: list[np.ndarray] = []
    header: list[str] | None = None
    width = 0
    for number, cells in _decimal_points(path, lines):
        if not rows and header is None and _is_header(cells):
            header = _without_empty_end(cells, 1)
            width = len(header)
            continue
        if header is not None:
            # Some programs end every line with a separator.
            cells = _without_empty_end(cells, width)
        if not rows and header is not None and len(cells) == width + 1 > 2:
            # R leaves the name of the row names out.
            header, width = ["", *header], width + 1
        width = width or len(cells)
        if len(cells) != width:
            hint = "; a decimal needs a point where a comma separates cells" if width == 1 else ""
            raise DataError(f"{path}, line {number}: {len(cells)} cells, but the first line has {width}{hint}")
        rows.append(_numbers(path, number, cells))
    if not rows:
        raise DataError(f"{path} holds no numbers: expected one line a stimulus, one column a voxel")
    values = np.stack(rows)
    indexed = width > 1 and has_index(path, header, values[:, 0])
    return NumberTable(values[:, 1:] if indexed else values, indexed)


def _is_header(cells: list[str]) -> bool:
    numbers = [is_number(cell) for cell in cells]
    return not any(numbers) or (len(cells) > 1 and is_nameless(cells[0]) and all(numbers[1:]))


def _without_empty_end(cells: list[str], width: int) -> list[str]:
    """The cells without empty ones at the end, but at least ``width``."""
    while len(cells) > width and not cells[-1]:
        cells = cells[:-1]
    return cells


def _decimal_points(path: Path, lines: Iterable[Line]) -> Iterator[Line]:
    """The lines with decimal commas, ``0,5``, as points; DataError where both occur, since ``1,234`` could be a thousand.

    The minus of typesetting, which spreadsheets write in some languages, becomes a hyphen.
    """
    comma = point = False
    for number, cells in lines:
        cells = [cell.replace("\u2212", "-") for cell in cells]
        point = point or any("." in cell and is_number(cell) for cell in cells)
        pointed = [_pointed(cell) for cell in cells] if any("," in cell for cell in cells) else cells
        comma = comma or pointed != cells
        if comma and point:
            raise DataError(
                f"{path}, line {number}: the table has decimal commas and decimal points: save it with one of them"
            )
        yield number, pointed


def _pointed(cell: str) -> str:
    pointed = cell.replace(",", ".")
    return pointed if is_number(pointed) else cell


def _numbers(path: Path, number: int, cells: list[str]) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            return np.array([float(cell) for cell in cells]).astype(np.float32)
    except ValueError:
        column = next(i for i, cell in enumerate(cells) if not is_number(cell))
        message = f"{path}, line {number}, column {column + 1}: {cells[column]!r} is not a number"
        raise DataError(f"{message}; {advice(path, _hint(cells, column))}") from None


def _hint(cells: list[str], column: int) -> str:
    if _THOUSANDS.fullmatch(cells[column]):
        return "write it without signs between thousands"
    if column == 0 and all(map(is_number, cells[1:])) and len(cells) > 1 and cells[0].upper() not in _MISSING:
        return NAMES_OF_IMAGES
    return "write nan where there is no value"
