"""The dialect of a text table: which character separates its cells, and whether it writes decimals with a comma."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO, cast

from brainbench.errors import DataError

# A tab or a semicolon never stands in a table that is separated by commas; a comma does stand in the decimals of the others.
_SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma"}

Line = tuple[int, list[str]]


def table_lines(path: Path, columns: Collection[str] = ()) -> Iterator[Line]:
    """The lines of a text table that are not empty: (line number, stripped cells). ``.gz`` is unpacked.

    The separator is that of the first line: the one between whose cells ``columns`` are found, else the first of tab, semicolon
    and comma that occurs. Columns of numbers that nothing but spaces separates, as numpy.savetxt writes them, are read too.
    Raises DataError for a file that is no UTF-8 text.
    """
    separator = _separator(path, columns)
    try:
        with _open(path) as file:
            if separator == " ":
                lines = ((number, line.split()) for number, line in enumerate(file, 1))
                yield from ((number, cells) for number, cells in lines if cells)
                return
            reader = csv.reader(file, delimiter=separator)
            for cells in reader:
                if cells:
                    yield reader.line_num, [cell.strip() for cell in cells]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as problem:
        raise _unreadable(path, _SEPARATORS.get(separator, "space"), problem) from problem


def _separator(path: Path, columns: Collection[str]) -> str:
    own = "\t" if ".tsv" in path.suffixes else ","
    try:
        with _open(path) as file:
            first, second = [*islice((line for line in file if line.strip()), 2), "", ""][:2]
        found = {sign: next(csv.reader([first], delimiter=sign), []) for sign in _SEPARATORS}
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as problem:
        raise _unreadable(path, _SEPARATORS[own], problem) from problem
    if columns:
        # A file name may hold any of these signs, so only the header can tell.
        named = [sign for sign, cells in found.items() if {*columns} <= {cell.strip() for cell in cells}]
        return own if own in named or not named else named[0]
    split = next((sign for sign, cells in found.items() if len(cells) > 1), None)
    row = (second or first).split()
    if split is None and len(row) > 1 and all(map(is_number, row)):
        return " "
    return split or own


def is_number(cell: str) -> bool:
    """Whether Python reads the text as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _open(path: Path) -> TextIO:
    # utf-8-sig: spreadsheets put a byte order mark before the first column's name.
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


def _unreadable(path: Path, word: str, problem: Exception) -> DataError:
    return DataError(f"{path} cannot be read as a {word}-separated utf-8 table: {problem}")
