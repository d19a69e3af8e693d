"""The dataset object: images with one class each, and no responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainbench import DataError, Labels, Masks, Responses, Stimuli
from brainbench.builtin.datasets.labelled import layouts
from brainbench.builtin.datasets.labelled.layouts import LabelledFiles
from brainbench.datasets import SPLITS, Ledger, content_digest, read_images

SUBJECT = "all"


class LabelledDataset:
    """Images with labels, which all belong to one subject. Raises DataError unless there are at least two classes."""

    provides = frozenset({"labels"})

    def __init__(self, stimuli: Stimuli, labels: Labels, where: str) -> None:
        if len(labels.classes) < 2:
            only = labels.classes[0] if labels.classes else "none"
            raise DataError(f"{where}: a single class ({only}); a task needs at least two")
        self.subjects: Sequence[str] = (SUBJECT,)
        self._stimuli, self._labels = stimuli, labels
        said = [
            labels.classes,
            labels.values.tolist(),
            labels.groups,
            labels.split is not None and labels.split.tolist(),
        ]
        self.version = content_digest(stimuli.key.encode(), repr(said).encode())[:12]

    def stimuli(self, subject: str) -> Stimuli:
        """The images."""
        return self._stimuli

    def labels(self, subject: str) -> Labels:
        """Their classes."""
        return self._labels

    def responses(self, subject: str) -> Responses | None:
        """None: nobody saw them in an experiment."""
        return None

    def masks(self, subject: str) -> Masks | None:
        """None."""
        return None

    def dissimilarities(self, subject: str) -> np.ndarray | None:
        """None."""
        return None


def of_files(found: LabelledFiles, cache: Path) -> LabelledDataset:
    """The dataset of files that a layout found; every image is decoded once and remembered in ``cache``."""
    ledger = Ledger(cache, found.folder)
    try:
        images = read_images(found.folder, found.names, ledger)
    finally:
        ledger.save()
    places = {name: i for i, name in enumerate(found.classes)}
    labels = Labels(
        found.classes,
        np.array([places[label] for label in found.labels]),
        found.groups,
        None if found.split is None else np.array(found.split),
    )
    return LabelledDataset(Stimuli(found.names, images.digests, images.open), labels, str(found.folder))


def load_eurosat(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> LabelledDataset:
    """The dataset of card ``eurosat``."""
    return _load(layouts.eurosat, data, cache)


def load_isic2018(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> LabelledDataset:
    """The dataset of card ``isic2018``."""
    return _load(layouts.isic2018, data, cache)


def load_isic2019(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> LabelledDataset:
    """The dataset of card ``isic2019``."""
    return _load(layouts.isic2019, data, cache)


def load_labels(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> LabelledDataset:
    """The dataset of card ``labels``."""
    return _load(layouts.labels, data, cache)


def load_medmnist(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> LabelledDataset:
    """The dataset of card ``medmnist``. Classes are numbered, because the file does not name them."""
    assert data is not None
    files = layouts.npz_files(data)
    if len(files) != 1:
        raise DataError(f"{data}: expected one npz file with train_images and train_labels, as MedMNIST publishes them")
    path = files[0]
    with np.load(path) as content:
        parts = [(part, content[f"{part}_images"], content[f"{part}_labels"]) for part in SPLITS]
    for part, pictures, values in parts:
        if pictures.ndim not in (3, 4) or pictures.shape[3:] not in ((), (3,)):
            raise DataError(
                f"{path}: {part}_images are {list(pictures.shape)}, expected [n, H, W] or [n, H, W, 3]: 2D sets only"
            )
        if values.reshape(len(values), -1).shape[1] != 1:
            raise DataError(f"{path}: {part}_labels are {list(values.shape)}: an image needs one label, not several")
    numbers = np.concatenate([values.reshape(-1) for _, _, values in parts]).astype(int)
    split = np.concatenate([np.full(len(pictures), part) for part, pictures, _ in parts])
    names = tuple(f"{part}/{row}" for part, pictures, _ in parts for row in range(len(pictures)))
    classes, values = np.unique(numbers, return_inverse=True)
    arrays = np.concatenate([pictures for _, pictures, _ in parts])
    labels = Labels(tuple(map(str, classes.tolist())), values, None, split)
    return LabelledDataset(of_arrays(arrays, names), labels, str(path))


def of_arrays(pictures: np.ndarray, names: tuple[str, ...]) -> Stimuli:
    """Stimuli of pictures in memory, uint8 [S, H, W] or [S, H, W, 3]."""
    digests = tuple(content_digest(repr(one.shape).encode(), one.tobytes()) for one in pictures)
    return Stimuli(names, digests, lambda row: Image.fromarray(pictures[row]).convert("RGB"))


def _load(layout: Callable[[Path], LabelledFiles], data: Path | None, cache: Path) -> LabelledDataset:
    assert data is not None
    if not data.is_dir():
        raise DataError(f"{data}: no such folder; give the folder with the images")
    return of_files(layout(data), cache)
