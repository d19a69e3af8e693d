"""Small look-alikes of the layouts: pictures whose stripes and colour tell their class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainbench.builtin.datasets.labelled.layouts import (
    EUROSAT_CLASSES,
    ISIC_2018_CLASSES,
    ISIC_2018_LESIONS,
    ISIC_2018_TRUTH,
    ISIC_2019_CLASSES,
    ISIC_2019_TABLE,
    ISIC_2019_TRUTH,
)
from brainbench.datasets import small_images

_MOST_OF_A_LESION = 3
_SPLITS = (("train", 0.7), ("val", 0.1), ("test", 0.2))


def make_eurosat(*, folder: Path, settings: Mapping[str, Any]) -> None:
    """Write pictures in the layout of EuroSAT as torchvision unpacks it."""
    _by_class(folder / "eurosat" / "2750", EUROSAT_CLASSES, ".jpg", settings)


def make_labels(*, folder: Path, settings: Mapping[str, Any]) -> None:
    """Write pictures of three classes as ``<class>/<image>``."""
    _by_class(folder, ("one", "three", "two"), ".png", settings)


def make_isic2018(*, folder: Path, settings: Mapping[str, Any]) -> None:
    """Write pictures in the layout of ISIC 2018 task 3; up to three show one lesion."""
    images, labels, lesions = _lesions(folder / "ISIC2018_Task3_Training_Input", ISIC_2018_CLASSES, settings)
    _one_hot(folder / ISIC_2018_TRUTH, images, labels, ISIC_2018_CLASSES)
    rows = [f"{image},{lesion},histopathology" for image, lesion in zip(images, lesions, strict=True)]
    _table(folder / ISIC_2018_LESIONS, "image,lesion_id,diagnosis_confirm_type", rows)


def make_isic2019(*, folder: Path, settings: Mapping[str, Any]) -> None:
    """Write pictures in the layout of ISIC 2019; some photographs have no lesion's number."""
    classes = ISIC_2019_CLASSES[:-1]
    images, labels, lesions = _lesions(folder / "ISIC_2019_Training_Input", classes, settings)
    _one_hot(folder / ISIC_2019_TRUTH, images, labels, ISIC_2019_CLASSES)
    known = [lesion if number % 5 else "" for number, lesion in enumerate(lesions)]
    rows = [f"{image},55.0,anterior torso,{lesion},female" for image, lesion in zip(images, known, strict=True)]
    _table(folder / ISIC_2019_TABLE, "image,age_approx,anatom_site_general,lesion_id,sex", rows)


def make_medmnist(*, folder: Path, settings: Mapping[str, Any]) -> None:
    """Write pictures of seven classes in one npz file, split as MedMNIST does."""
    labels = np.repeat(np.arange(7), settings["images"])
    pictures = look_alikes(labels, 7, settings)
    order = np.random.default_rng(settings["seed"]).permutation(len(labels))
    ends = np.cumsum([round(share * len(labels)) for _, share in _SPLITS])[:-1]
    parts = dict(zip((name for name, _ in _SPLITS), np.split(order, ends), strict=True))
    content = {f"{name}_images": pictures[rows] for name, rows in parts.items()}
    content |= {f"{name}_labels": labels[rows][:, None].astype(np.uint8) for name, rows in parts.items()}
    np.savez(folder / "dermamnist.npz", allow_pickle=False, **content)


def look_alikes(labels: np.ndarray, classes: int, settings: Mapping[str, Any]) -> np.ndarray:
    """Pictures uint8 [S, size, size, 3] of classes [S]: each class has stripes of a direction and a tint of its own."""
    size = settings["size"]
    pictures, _ = small_images(len(labels), settings["seed"], size)
    rows, columns = np.mgrid[:size, :size] / size
    mixed = np.empty_like(pictures)
    for number, label in enumerate(labels.tolist()):
        angle = np.pi * label / classes
        stripes = np.sin(2 * np.pi * 6 * (np.cos(angle) * rows + np.sin(angle) * columns))
        tint = 40 * np.cos(2 * np.pi * (label / classes + np.arange(3) / 3))
        mixed[number] = np.clip(0.5 * pictures[number] + 64 + 32 * stripes[..., None] + tint, 0, 255).astype(np.uint8)
    return mixed


def _by_class(folder: Path, classes: Sequence[str], suffix: str, settings: Mapping[str, Any]) -> None:
    labels = np.repeat(np.arange(len(classes)), settings["images"])
    pictures = look_alikes(labels, len(classes), settings)
    for number, (label, picture) in enumerate(zip(labels.tolist(), pictures, strict=True)):
        place = folder / classes[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{classes[label]}_{number % settings['images'] + 1}{suffix}")


def _lesions(
    folder: Path, classes: Sequence[str], settings: Mapping[str, Any]
) -> tuple[list[str], list[str], list[str]]:
    """Write the pictures; returns their names, classes and lesions."""
    folder.mkdir(parents=True)
    labels = np.repeat(np.arange(len(classes)), settings["images"])
    rng, lesion, left = np.random.default_rng(settings["seed"]), -1, 0
    images, lesions = [], []
    for number, (label, picture) in enumerate(zip(labels, look_alikes(labels, len(classes), settings), strict=True)):
        if left == 0 or (number and labels[number - 1] != label):
            lesion, left = lesion + 1, int(rng.integers(1, _MOST_OF_A_LESION + 1))
        left -= 1
        images.append(f"ISIC_{number:07d}")
        lesions.append(f"HAM_{lesion:07d}")
        Image.fromarray(picture).save(folder / f"{images[-1]}.jpg")
    return images, [classes[label] for label in labels.tolist()], lesions


def _one_hot(path: Path, images: Sequence[str], labels: Sequence[str], classes: Sequence[str]) -> None:
    rows = [
        ",".join([image, *(f"{float(name == label)}" for name in classes)])
        for image, label in zip(images, labels, strict=True)
    ]
    _table(path, ",".join(["image", *classes]), rows)


def _table(path: Path, header: str, rows: Sequence[str]) -> None:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
