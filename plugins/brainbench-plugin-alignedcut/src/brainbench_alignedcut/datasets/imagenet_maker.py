"""A small simulated ``gtsegs_ijcv.mat``, as MATLAB 7.3 writes a struct array."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brainbench_alignedcut.datasets.imagenet import FIELDS
from brainbench_alignedcut.datasets.places import MAT
from brainbench_alignedcut.datasets.scenes import draw, label

_HEADER = 512  # bytes before the HDF5 file proper, in which MATLAB says who wrote it
_PACKED: dict[str, Any] = {"compression": "gzip", "compression_opts": 3}


def make(*, folder: Path, settings: Mapping[str, Any]) -> None:
    """Write ``gtsegs_ijcv.mat``, one bright shape an image, labelled as simulated. Images are written one by one."""
    import h5py

    folder.mkdir(parents=True, exist_ok=True)
    path, count, size = folder / MAT, settings["images"], (settings["width"], settings["height"])
    with h5py.File(path, "w", userblock_size=_HEADER) as file:
        image_of, mask_of = (file.create_dataset(name, (count, 1), h5py.ref_dtype) for name in FIELDS)
        stored = file.create_group("#refs#")
        for number in range(count):
            rng = np.random.default_rng([settings["seed"], number])
            red, green, blue = rng.permutation([230, int(rng.integers(256)), 20]).tolist()
            image, mask = draw(rng, size, [(1, (red, green, blue))], border=0)
            pixels = stored.create_dataset(f"img{number}", data=np.asarray(image).transpose(2, 1, 0), **_PACKED)
            pixels.attrs["MATLAB_class"] = np.bytes_("uint8")
            figure = stored.create_dataset(f"mask{number}", data=mask.T, **_PACKED)
            figure.attrs["MATLAB_class"] = np.bytes_("uint8")
            cell = stored.create_dataset(f"gt{number}", (1, 1), h5py.ref_dtype)
            cell[0, 0] = figure.ref
            image_of[number, 0], mask_of[number, 0] = pixels.ref, cell.ref
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, written by brainbench".ljust(116) + bytes(8) + b"\x00\x02IM")
    label(folder, "imagenet-segmentation", ", ".join(f"{name}={value}" for name, value in settings.items()))
