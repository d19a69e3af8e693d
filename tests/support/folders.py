"""Experiments in folders, for tests of the dataset ``folder``: opening them, and writing what lies in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.freesurfer.mghformat import MGHImage
from nibabel.gifti import GiftiDataArray, GiftiImage
from PIL import Image

from brainbench import Responses
from brainbench.builtin.datasets.folder.card import FOLDER

AFFINE = np.array([[2.0, 0, 0, -20], [0, 3, 0, 10], [0, 0, 4, 5], [0, 0, 0, 1]])


def open_folder(root: Path, **settings: Any) -> Any:
    """The dataset, its cache beside ``root``."""
    return FOLDER.loader(settings=FOLDER.own_settings(settings), data=root, cache=root.parent / "cache")


def responses_of(dataset: Any, subject: str = "1") -> Responses:
    """One subject's responses, which have to be there."""
    found = dataset.responses(subject)
    assert isinstance(found, Responses)
    return found


def names_of(count: int) -> list[str]:
    """Names of as many images."""
    return [f"{index:03}.png" for index in range(count)]


def write_images(folder: Path, count: int, seed: int = 0) -> None:
    """Pictures of noise."""
    noise = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for name in names_of(count):
        Image.fromarray(noise.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(folder / name)


def write_table(path: Path, *lines: str) -> None:
    """A text file; with tabs for commas if it is a .tsv."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + "\n"
    path.write_text(text.replace(",", "\t") if path.suffix == ".tsv" else text, encoding="utf-8")


def write_nifti(path: Path, values: np.ndarray) -> None:
    """A volume, or one a stimulus along the last axis."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(values, AFFINE).to_filename(path)


def write_mgh(path: Path, values: np.ndarray) -> None:
    """[n] or [R, n] figures of vertices, rows as frames; arrays of more axes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if values.ndim < 3:
        values = values.T.reshape(values.shape[-1], 1, 1, *values.shape[:-1])
    MGHImage(values.astype(np.float32), np.eye(4)).to_filename(path)


def write_gifti(path: Path, values: np.ndarray) -> None:
    """[n] or [R, n] figures of vertices, one data array a row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = [GiftiDataArray(row.astype(np.float32), datatype="NIFTI_TYPE_FLOAT32") for row in np.atleast_2d(values)]
    GiftiImage(darrays=arrays).to_filename(path)
