"""What surface and volume have in common: one subject's voxels, none left out yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brainbench import Surface


@dataclass(frozen=True)
class Voxels:
    """The V voxels of ``nsdgeneral``, and how to read their betas.

    where: the folder of betas; sessions: the chosen ones -> the files of each; trials: session -> how many its files hold; place:
    where in the files the V voxels are; read: session -> [trials, V] float32; rois: name -> bool [V]; ncsnr: [V]; coordinates:
    [V, 3] mm, without them ``flat`` says why.
    """

    where: Path
    sessions: Mapping[int, tuple[Path, ...]]
    trials: Mapping[int, int]
    place: np.ndarray
    read: Callable[[int], np.ndarray]
    rois: Mapping[str, np.ndarray] = field(default_factory=dict)
    ncsnr: np.ndarray | None = None
    coordinates: np.ndarray | None = None
    flat: str = ""
    surface: Surface | None = None
    notes: tuple[str, ...] = ()
