"""The dialect of a text table: which character separates its cells, and whether it writes decimals with a comma."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO, cast

from brainbench.datasets.file_kinds import advice
from brainbench.errors import DataError

# A tab or a semicolon never stands in a table that is separated by commas; a comma does stand in the decimals of the others.
_SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "bar"}
_BYTE_ORDER = (b"\xff\xfe", b"\xfe\xff")  # how UTF-16 begins
_DECLARED = "sep="  # Excel's own first line, which names the separator

Line = tuple[int, list[str]]


def table_lines(path: Path, columns: Collection[str] = ()) -> Iterator[Line]:
    """The lines of a text table that are not empty: (line number, stripped cells). ``.gz`` is unpacked.

    The separator is that of the first line: the one between whose cells ``columns`` are found, else the first of tab,
    semicolon, comma and bar that occurs. Columns of numbers that nothing but spaces separates, as numpy.savetxt writes them, are
    read too. A line that names the separator, as Excel writes it, the sign with which numpy begins a header, and empty lines at
    the end are left out. Raises DataError for a file that is no text in UTF-8 or UTF-16.
    """
    separator = _separator(path, columns)
    try:
        with _open(path) as file:
            skipped = _declared(file) is not None
            empty = list[Line]()
            for number, cells in _split(file, separator):
                line = number + skipped, [cell.strip() for cell in cells]
                if not any(line[1]):
                    empty.append(line)
                    continue
                # Between others, a line of empty cells is a mistake that its reader names.
                yield from empty
                empty = []
                yield line
    except (OSError, EOFError, UnicodeError, csv.Error) as problem:
        raise _unreadable(path, _SEPARATORS.get(separator, "space"), problem) from problem


def _split(file: TextIO, separator: str) -> Iterator[Line]:
    """The lines as cells; the first one without the # that begins a comment."""
    if separator == " ":
        lines = ((number, [cell.strip('"') for cell in line.split()]) for number, line in enumerate(file, 1))
    else:
        reader = csv.reader(file, delimiter=separator)
        lines = ((reader.line_num, cells) for cells in reader)
    filled = ((number, cells) for number, cells in lines if cells)
    for number, cells in islice(filled, 1):
        first = cells[0].removeprefix("#").strip()
        yield number, [first, *cells[1:]] if first or separator != " " else cells[1:]
    yield from filled


def _declared(file: TextIO) -> str | None:
    """The separator that a first line ``sep=;`` names; None, and the file at its start, without such a line."""
    line = file.readline(len(_DECLARED) + 3).rstrip("\r\n")
    if line[:-1] == _DECLARED:
        return line[-1]
    file.seek(0)
    return None


def _separator(path: Path, columns: Collection[str]) -> str:
    own = "\t" if ".tsv" in path.suffixes else ","
    try:
        with _open(path) as file:
            declared = _declared(file)
            first, second = [*islice((line for line in file if line.strip()), 2), "", ""][:2]
        found = {sign: next(csv.reader([first], delimiter=sign), []) for sign in _SEPARATORS}
    except (OSError, EOFError, UnicodeError, csv.Error) as problem:
        raise _unreadable(path, _SEPARATORS[own], problem) from problem
    if declared in _SEPARATORS:
        return declared
    if columns:
        # A file name may hold any of these signs, so only the header can tell.
        named = [sign for sign, cells in found.items() if {*columns} <= {cell.strip() for cell in cells}]
        return own if own in named or not named else named[0]
    split = next((sign for sign, cells in found.items() if len(cells) > 1), None)
    row = [cell.strip('"') for cell in (second or first).split()]
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
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        wide = file.read(2) in _BYTE_ORDER
    # utf-8-sig: spreadsheets put a byte order mark before the first column's name. Excel calls UTF-16 "Unicode text".
    return cast(TextIO, opened(path, "rt", encoding="utf-16" if wide else "utf-8-sig", newline=""))


def _unreadable(path: Path, word: str, problem: Exception) -> DataError:
    hint = advice(path, "save it as UTF-8 text" if isinstance(problem, UnicodeError) else "save it again")
    return DataError(f"{path} cannot be read as a {word}-separated utf-8 table ({problem}): {hint}")
