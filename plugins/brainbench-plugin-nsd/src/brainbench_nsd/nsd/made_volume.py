"""Volume betas of a simulated download, with ROIs in the volume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brainbench_nsd.nsd.layout import Layout
from brainbench_nsd.nsd.made_rois import numbered, write_tables
from brainbench_nsd.nsd.rois import CLASSES, GENERAL
from brainbench_nsd.nsd.volume import SCALE

_SHARE = 8  # voxels of the volume to one of nsdgeneral
_MM = 1.8
_USELESS = 2  # voxels that were outside the scanned slab, 0 throughout


class VolumeWriter:
    """Writes one subject: ROIs at once, sessions one by one."""

    def __init__(self, layout: Layout, subject: str, place: Path, settings: Mapping[str, Any]) -> None:
        self._place, self._hdf5 = place, settings["volume"] == "hdf5"
        self.voxels = 2 * settings["vertices_kept"]
        edge = int(np.ceil((_SHARE * self.voxels) ** (1 / 3))) + int(subject) - 1
        self._shape = (edge, edge + 1, edge + 2)  # of unlike axes, as heads are
        index = np.indices(self._shape).reshape(3, -1)
        distance = np.square(index - np.array(self._shape)[:, None] / 2).sum(axis=0)
        self._kept = np.sort(np.argsort(distance, kind="stable")[: self.voxels])
        folder = layout.volume_rois(subject)
        general = np.full(int(np.prod(self._shape)), -1)  # NSD marks what is no cortex so
        general[np.argsort(distance, kind="stable")[: 2 * self.voxels]] = 0
        self._write(folder / f"{GENERAL}.nii.gz", self._filled(np.ones(self.voxels), general))
        for name in CLASSES:
            self._write(folder / f"{name}.nii.gz", self._filled(numbered(name, self.voxels), general))
        write_tables(layout.own_labels(subject))

    def write_session(self, session: int, values: np.ndarray) -> None:
        """[trials, V], by the voxels' indices; other voxels are 0."""
        import h5py

        values[:, :_USELESS] = 0
        whole = np.zeros((len(values), int(np.prod(self._shape))), np.int16)
        whole[:, self._kept] = np.round(values * SCALE)
        volumes = whole.reshape(-1, *self._shape)
        path = self._place / f"betas_session{session:02d}.{'hdf5' if self._hdf5 else 'nii.gz'}"
        if not self._hdf5:
            self._write(path, np.moveaxis(volumes, 0, -1))
            return
        with h5py.File(path, "w") as file:
            file.create_dataset("betas", data=volumes.transpose(0, 3, 2, 1), chunks=(len(values), 1, 1, 1))

    def write_ncsnr(self, ncsnr: np.ndarray) -> None:
        """Write ncsnr, [V]."""
        self._write(self._place / "ncsnr.nii.gz", self._filled(ncsnr, np.zeros(int(np.prod(self._shape)), np.float32)))

    def _filled(self, values: np.ndarray, around: np.ndarray) -> np.ndarray:
        """[X, Y, Z] with [V] where the voxels are."""
        whole = around.astype(np.float32)
        whole[self._kept] = values
        return whole.reshape(self._shape)

    def _write(self, path: Path, values: np.ndarray) -> None:
        import nibabel

        path.parent.mkdir(parents=True, exist_ok=True)
        affine = np.diag([_MM, _MM, _MM, 1.0])
        affine[:3, 3] = -_MM * (np.array(self._shape) - 1) / 2
        nibabel.Nifti1Image(values, affine).to_filename(path)  # type: ignore[no-untyped-call]
