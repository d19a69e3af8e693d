"""What the names of the images say: which row of the responses, and which of NSD's 73,000 images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from brainbench import DataError
from brainbench.datasets import list_images


@dataclass(frozen=True)
class Shown:
    """The images of one folder in the order of their running numbers. files: names; nsd: number of each among NSD's images."""

    files: tuple[str, ...]
    nsd: tuple[int, ...]


def read_names(folder: Path, word: Literal["train", "test"]) -> Shown:
    """Parse the names in ``folder``, such as train-0001_nsd-00013.png; the running numbers are 1, 2, 3 ... without a gap.

    Raises DataError for a folder that is missing or empty, another name, a number that is missing or there twice.
    """
    example = f"{word}-0001_nsd-00013.png"
    if not folder.is_dir():
        raise DataError(
            f"no folder {folder}: it must hold the images {example} ...; unpack the subject's archive whole"
        )
    found: dict[int, tuple[str, int]] = {}
    for name in list_images(folder):
        parts = re.fullmatch(rf"{word}-(\d+)_nsd-(\d+)\.png", name)
        if parts is None:
            raise DataError(f"{folder / name} is not named as the release's images are ({example}): move it elsewhere")
        number, nsd = map(int, parts.groups())
        if number in found:
            raise DataError(f"{folder} holds {found[number][0]} and {name}, two with one number: keep the right one")
        found[number] = (name, nsd)
    gaps = [number for number in range(1, max(found) + 1) if number not in found]
    if gaps or 0 in found:
        what = (
            f"image {word}-{gaps[0]:04} is missing ({len(gaps)} of {max(found)} are)" if gaps else "numbers start at 0"
        )
        raise DataError(f"{folder}: {what}: the number is the row of the responses; unpack the archive again")
    ordered = [found[number] for number in sorted(found)]
    return Shown(tuple(name for name, _ in ordered), tuple(nsd for _, nsd in ordered))
