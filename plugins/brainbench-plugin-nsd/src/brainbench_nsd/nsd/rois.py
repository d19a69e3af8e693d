"""ROIs of NSD: numbers in label files, names in colour tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from brainbench import DataError
from brainbench.datasets import canonical_roi
from brainbench_nsd.nsd.layout import Layout

GENERAL = "nsdgeneral"
# The names of every class of ROIs, numbered from 1 (NSD data manual, "ROIs"), for downloads without colour tables.
CLASSES: Mapping[str, tuple[str, ...]] = {
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
    "streams": ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal"),
}


def table_path(layout: Layout, subject: str, name: str) -> Path | None:
    """The colour table of one class: the subject's, else fsaverage's, else None."""
    places = (layout.own_labels(subject), layout.shared_labels)
    return next((path for place in places if (path := place / f"{name}.mgz.ctab").is_file()), None)


def join_rois(
    layout: Layout, subject: str, labels: Mapping[str, np.ndarray | None]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """ROI name -> bool [V], and notes. labels: class -> [V] numbers, 0 and below where there is no ROI; None: no such files.

    Both sides of the brain and both parts of an area (V1v, V1d) are one ROI; a voxel may be in ROIs of several classes.
    """
    rois: dict[str, np.ndarray] = {}
    absent = [name for name, numbers in labels.items() if numbers is None]
    there = {name: numbers for name, numbers in labels.items() if numbers is not None}
    bare = [name for name in there if table_path(layout, subject, name) is None]
    for name, numbers in there.items():
        for number, roi in _named(layout, subject, name, numbers).items():
            mask = rois.setdefault(canonical_roi(roi), np.zeros(len(numbers), bool))
            mask |= numbers == number
    notes = [f"no labels of {', '.join(absent)}: those ROIs are left out"] if absent else []
    if bare:
        notes.append(f"no colour table of {', '.join(bare)}: ROIs named as NSD's data manual numbers them")
    return rois, notes


def _named(layout: Layout, subject: str, name: str, numbers: np.ndarray) -> dict[int, str]:
    """Number -> ROI for the numbers that occur; DataError for one without a name."""
    path = table_path(layout, subject, name)
    names = dict(enumerate(CLASSES[name], start=1)) if path is None else _read_table(path)
    present = [int(number) for number in np.unique(numbers) if number > 0]
    strange = [number for number in present if number not in names]
    if strange:
        where = path or "NSD's data manual"
        raise DataError(f"{name} of subject {subject} has the number {strange[0]}, which {where} does not name")
    return {number: names[number] for number in present}


def _read_table(path: Path) -> dict[int, str]:
    """Lines "1 V1v ..."; what follows the name, such as a colour, is left alone."""
    names: dict[int, str] = {}
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = text.split()
        if not words:
            continue
        if len(words) < 2 or not words[0].isdecimal():
            raise DataError(f"{path}, line {line}: {text!r}, expected a number and a name")
        names[int(words[0])] = words[1]
    return names
