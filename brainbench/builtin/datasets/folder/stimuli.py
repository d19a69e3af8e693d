"""Which images a subject saw, in which order, in which session, and which of them belong together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench import DataError, Stimuli, did_you_mean
from brainbench.builtin.datasets.folder.layout import ORDER, Layout, natural
from brainbench.datasets import SPLITS, Images, Ledger, Row, canonical, list_images, other_files, read_images, read_rows

_NOTHING = "n/a"  # BIDS' word for an empty cell


@dataclass(frozen=True)
class Session:
    """One session's part. name: its folder, "" without sessions; rows: [R] the stimulus of each response row.

    source: where that order is from, in words.
    """

    name: str
    rows: np.ndarray
    source: str


@dataclass(frozen=True)
class Seen:
    """What one subject saw.

    ids: S file names; images: the S images; groups: S group names, "" for none; split: [S] as a column of the tables gives it,
    "" for none, or None without such a column; sessions: in order; notes: what was decided.
    """

    ids: tuple[str, ...]
    images: Images
    groups: tuple[str, ...]
    split: np.ndarray | None
    sessions: tuple[Session, ...]
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> np.ndarray:
        """[R] the stimulus of each response row, over all sessions."""
        return np.concatenate([session.rows for session in self.sessions])

    @property
    def session(self) -> list[str]:
        """The session of each response row."""
        return [session.name for session in self.sessions for _ in session.rows]

    @property
    def stimuli(self) -> Stimuli:
        """As the other stages read it."""
        return Stimuli(self.ids, self.images.digests, self.images.open)


def read_seen(layout: Layout, ledger: Ledger) -> Seen:
    """The images in file-name order or, with a table (column image or stim_file; group, split), line by line.

    An image on several lines, or in several sessions, is one stimulus with several response rows. A session without a table of
    its own has the subject's, or all images. Raises DataError for an image that is not there, that cannot be decoded, or that
    is in two groups or splits.
    """
    folder = layout.images()
    there = list_images(folder)
    known, order = _Order(folder, there), list[tuple[str, list[str], str]]()
    surprising = False
    for name, place in (layout.sessions() or {"": layout}).items():
        table = place.find(*ORDER) or layout.find(*ORDER)
        if table is None:
            order.append((name, there, f"{len(there)} images in {folder}{_more(folder, there)}"))
            surprising = there != sorted(there, key=natural)
        else:
            lines = known.read(table)
            order.append((name, lines, f"{len(lines)} lines in {table}"))
    ids = tuple(dict.fromkeys(image for _, lines, _ in order for image in lines))
    other = other_files(folder)
    position = {image: index for index, image in enumerate(ids)}
    return Seen(
        ids=ids,
        images=read_images(folder, ids, ledger),
        groups=tuple(known.groups.get(image, "") for image in ids),
        split=np.array([known.splits.get(image, "") for image in ids], "<U5") if known.splits else None,
        sessions=tuple(Session(name, np.array([position[i] for i in lines]), source) for name, lines, source in order),
        notes=(
            *("images taken in plain file-name order (10.png before 2.png); stimuli.csv can give another",)
            * surprising,
            *(f"{_counted(other)} in {folder.name}/ not read as images",) * bool(other),
        ),
    )


def _more(folder: Path, there: list[str]) -> str:
    """What a count of images may have missed, in words."""
    below, other = sum("/" in name for name in there), other_files(folder)
    said = [f"{below} of them in folders below it"] * bool(below) + [f"not counting {_counted(other)}"] * bool(other)
    return f" ({'; '.join(said)})" if said else ""


def _counted(other: list[str]) -> str:
    kinds = ", ".join(sorted({Path(name).suffix or name for name in other}))
    return f"{len(other)} {'file' if len(other) == 1 else 'files'} of another kind ({kinds})"


class _Order:
    """Reads tables of one subject. groups, splits: image -> what they say of it."""

    def __init__(self, folder: Path, there: list[str]) -> None:
        self._folder, self._there = folder, there
        self._known = {canonical(name): name for name in there}
        self.groups: dict[str, str] = {}
        self.splits: dict[str, str] = {}

    def read(self, table: Path) -> list[str]:
        """Image names line by line; lines on which nothing was shown ("n/a") are passed over."""
        order = []
        for row, name in _shown(table):
            image = self._file(name)
            if image is None:
                near = did_you_mean(name, self._known)
                raise DataError(f"{row.where}: no image {name!r} in {self._folder}{near}")
            group, split = (_cell(row.cells.get(column, "")) for column in ("group", "split"))
            if split and split not in SPLITS:
                near = did_you_mean(split, SPLITS)
                raise DataError(f"{row.where}: split {split!r}{near}; allowed are train, val, test")
            _agree(row.where, image, "group", self.groups, group)
            if "split" in row.cells:
                _agree(row.where, image, "split", self.splits, split)
            order.append(image)
        if not order:
            raise DataError(f"{table} names no image: write one line a response row, or leave the file out")
        return order

    def _file(self, name: str) -> str | None:
        """The image that a cell means: a path from ``images/`` or from the folder it is in, of whatever system."""
        path = name.replace("\\", "/").removeprefix("./")
        meant = (name, path, path.removeprefix(f"{self._folder.name}/"))
        return next((self._known[one] for one in meant if one in self._known), None)


def _shown(table: Path) -> Iterator[tuple[Row, str]]:
    """The lines on which an image was shown, and its name: column image, or BIDS' stim_file where there is none."""
    columns = ("image", "stim_file", "group", "split")
    rows = read_rows(table, (), optional=columns)
    bids = rows and "stim_file" in rows[0].cells and "image" not in rows[0].cells
    column = "stim_file" if bids else "image"
    for row in read_rows(table, (column,), optional=columns):
        if row[column] != _NOTHING:
            yield row, row[column]


def _cell(text: str) -> str:
    return "" if text == _NOTHING else text


def _agree(where: str, image: str, column: str, known: dict[str, str], word: str) -> None:
    if known.setdefault(image, word) != word:
        raise DataError(f"{where}: {image} is in {column} {known[image]!r} and in {word!r}; give it one")
