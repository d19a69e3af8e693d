"""The ROIs of a simulated download: bands, from the back of the head to the front."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brainbench_nsd.nsd.rois import CLASSES

# Which part of nsdgeneral a class covers; the classes of objects lie over one another.
_FROM, _TO = {"prf-visualrois": 0.0, "streams": 0.0}, {"prf-visualrois": 0.5}


def numbered(name: str, voxels: int) -> np.ndarray:
    """[V] the number of the ROI of each voxel, from 1, 0 for none."""
    numbers = np.zeros(voxels, int)
    covered = slice(int(_FROM.get(name, 0.5) * voxels), int(_TO.get(name, 1.0) * voxels))
    bands = np.array_split(numbers[covered], len(CLASSES[name]))
    numbers[covered] = np.repeat(np.arange(1, len(bands) + 1), [len(band) for band in bands])
    return numbers


def write_tables(folder: Path) -> None:
    """The colour tables, as NSD writes them: a number and a name a line."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rois in CLASSES.items():
        lines = "".join(f"{number} {roi}\n" for number, roi in enumerate(("Unknown", *rois)))
        (folder / f"{name}.mgz.ctab").write_text(lines, encoding="utf-8")
