"""Where the images and labels of each layout are."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench import DataError
from brainbench.datasets import SPLITS, list_images, read_rows

EUROSAT_CLASSES = (
    "AnnualCrop",
    "Forest",
    "HerbaceousVegetation",
    "Highway",
    "Industrial",
    "Pasture",
    "PermanentCrop",
    "Residential",
    "River",
    "SeaLake",
)
# Where torchvision, Zenodo and torchgeo put the folders of the classes.
EUROSAT_PLACES = (
    ".",
    "2750",
    "eurosat/2750",
    "EuroSAT",
    "EuroSAT_RGB",
    "EuroSAT_MS",
    "ds/images/remote_sensing/otherDatasets/sentinel_2/tif",
)
ISIC_2018_CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
ISIC_2019_CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
ISIC_2018_TRUTH = "ISIC2018_Task3_Training_GroundTruth.csv"
ISIC_2018_LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"
HAM_TABLE = "HAM10000_metadata.csv"
ISIC_2019_TRUTH = "ISIC_2019_Training_GroundTruth.csv"
ISIC_2019_TABLE = "ISIC_2019_Training_Metadata.csv"
TABLE = "labels.csv"


@dataclass(frozen=True)
class LabelledFiles:
    """S files with their labels. names: below ``folder``; labels, groups, split: one each, the latter two where they are known."""

    folder: Path
    names: tuple[str, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    groups: tuple[str, ...] | None = None
    split: tuple[str, ...] | None = None


def eurosat(data: Path) -> LabelledFiles:
    """EuroSAT's RGB pictures below ``data``. Raises DataError for the 13-band files, and for classes that are missing."""
    folder = eurosat_folder(data)
    if folder is None:
        raise DataError(
            f"{data}: no folders of EuroSAT's classes, such as 2750/AnnualCrop; give the folder that holds them"
        )
    missing = [name for name in EUROSAT_CLASSES if not (folder / name).is_dir()]
    if missing:
        raise DataError(f"{folder}: EuroSAT has ten classes; missing: {', '.join(missing)}; unpack the archive again")
    if any((folder / EUROSAT_CLASSES[0]).glob("*.tif")):
        raise DataError(
            f"{folder} holds EuroSAT's 13-band tif files, which no network here reads: use the RGB set (jpg)"
        )
    found = by_folder(folder)
    keep = [i for i, label in enumerate(found.labels) if label in EUROSAT_CLASSES]
    return _some(found, keep, EUROSAT_CLASSES)


def eurosat_folder(data: Path) -> Path | None:
    """The folder with the folders of EuroSAT's classes at ``data``; None if there is none."""
    found = (data / place for place in EUROSAT_PLACES)
    return next((place for place in found if (place / EUROSAT_CLASSES[0]).is_dir()), None)


def isic2018(data: Path) -> LabelledFiles:
    """ISIC 2018 task 3 or HAM10000, which has the same pictures, below ``data``, grouped by lesion."""
    if table := first(data, HAM_TABLE):
        rows = read_rows(table, ["image_id", "lesion_id", "dx"])
        labels = {row["image_id"]: row["dx"].upper() for row in rows}
        return _isic(data, table, labels, {row["image_id"]: row["lesion_id"] for row in rows}, ISIC_2018_CLASSES)
    truth = first(data, ISIC_2018_TRUTH)
    if truth is None:
        raise DataError(f"{data}: neither {ISIC_2018_TRUTH} nor {HAM_TABLE}; one of them has the labels")
    lesions = first(data, ISIC_2018_LESIONS)
    if lesions is None:
        raise DataError(
            f"{data}: no {ISIC_2018_LESIONS}; without it, photographs of one lesion would be on both sides of the split"
        )
    groups = {row["image"]: row["lesion_id"] for row in read_rows(lesions, ["image", "lesion_id"])}
    return _isic(data, truth, _one_hot(truth, ISIC_2018_CLASSES), groups, ISIC_2018_CLASSES)


def isic2019(data: Path) -> LabelledFiles:
    """ISIC 2019 below ``data``, grouped by lesion; a photograph without a lesion's number is a group of its own."""
    truth, table = first(data, ISIC_2019_TRUTH), first(data, ISIC_2019_TABLE)
    if truth is None or table is None:
        missing = ISIC_2019_TRUTH if truth is None else ISIC_2019_TABLE
        raise DataError(f"{data}: no {missing}; download it from the ISIC archive")
    rows = read_rows(table, ["image"], ["lesion_id"])
    groups = {row["image"]: row.cells.get("lesion_id") or row["image"] for row in rows}
    return _isic(data, truth, _one_hot(truth, ISIC_2019_CLASSES), groups, ISIC_2019_CLASSES)


def labels(data: Path) -> LabelledFiles:
    """The labels of ``labels.csv``, if there is one, else of the folders that the images are in."""
    table = data / TABLE
    if not table.exists():
        return by_folder(data)
    rows = read_rows(table, ["image", "label"], ["group", "split"])
    folder = data / "images" if (data / "images").is_dir() else data
    _unique(table, [row["image"] for row in rows])
    _there(table, [row["image"] for row in rows if not (folder / row["image"]).is_file()], folder)
    for row in rows:
        if row.cells.get("split") and row["split"] not in SPLITS:
            raise DataError(f"{row.where}: split is {row['split']!r}; allowed are {', '.join(SPLITS)}")
    given = {name for row in rows for name, cell in row.cells.items() if cell}
    for name in ("group", "split"):
        if name in given and (lacking := [row for row in rows if not row.cells[name]]):
            raise DataError(f"{lacking[0].where}: {name} is empty; fill it in, or leave the column out")
    return LabelledFiles(
        folder,
        tuple(row["image"] for row in rows),
        tuple(row["label"] for row in rows),
        tuple(sorted({row["label"] for row in rows})),
        tuple(row["group"] for row in rows) if "group" in given else None,
        tuple(row["split"] for row in rows) if "split" in given else None,
    )


def by_folder(folder: Path) -> LabelledFiles:
    """Images in folders that are named after their classes."""
    names = [name for name in list_images(folder) if "/" in name]
    if not names:
        raise DataError(f"{folder}: no <class>/<image> and no {TABLE}; put each class's images in a folder of its name")
    found = tuple(name.partition("/")[0] for name in names)
    return LabelledFiles(folder, tuple(names), found, tuple(sorted(set(found))))


def first(folder: Path, name: str) -> Path | None:
    """The file ``name`` in ``folder`` or one level below; None if there is none."""
    return next((place for place in (folder / name, *sorted(folder.glob(f"*/{name}"))) if place.is_file()), None)


def npz_files(path: Path) -> list[Path]:
    """The npz files with labelled images that ``path`` is or holds."""
    files = [path] if path.is_file() else sorted(path.glob("*.npz"))
    return [file for file in files if file.suffix == ".npz" and _is_labelled(file)]


def _is_labelled(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as content:
            return {f"{part}_{kind}.npy" for part in SPLITS for kind in ("images", "labels")} <= {*content.namelist()}
    except (OSError, zipfile.BadZipFile):
        return False


def _some(found: LabelledFiles, keep: Sequence[int], classes: tuple[str, ...]) -> LabelledFiles:
    names, said = tuple(found.names[i] for i in keep), tuple(found.labels[i] for i in keep)
    return LabelledFiles(found.folder, names, said, classes)


def _one_hot(table: Path, classes: Sequence[str]) -> dict[str, str]:
    """Image -> class, from a table with one column of 0 and 1 per class."""
    there = [name for name in classes if name != "UNK"]
    rows = read_rows(table, ["image", *there], ["UNK"])
    found = {}
    for row in rows:
        values = np.array([float(row.cells.get(name) or 0) for name in classes])
        if values.sum() != 1 or values.max() != 1:
            raise DataError(
                f"{row.where}: {int(values.sum())} classes are marked; expected one of {', '.join(classes)}"
            )
        found[row["image"]] = classes[int(values.argmax())]
    return found


def _isic(
    data: Path, table: Path, found: Mapping[str, str], groups: Mapping[str, str], classes: tuple[str, ...]
) -> LabelledFiles:
    files = {Path(name).stem: name for name in list_images(data)}
    _there(table, [image for image in found if image not in files], data)
    if strange := sorted(set(found.values()) - set(classes)):
        raise DataError(f"{table}: diagnosis {strange[0]!r}; allowed are {', '.join(classes)}")
    if lacking := [image for image in found if image not in groups]:
        raise DataError(f"{table}: no lesion is named for {_few(lacking)}; the split needs it")
    images = sorted(found)
    used = tuple(name for name in classes if name in set(found.values()))
    return LabelledFiles(
        data,
        tuple(files[image] for image in images),
        tuple(found[image] for image in images),
        used,
        tuple(groups[image] for image in images),
    )


def _unique(table: Path, names: Sequence[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()):
        raise DataError(f"{table} names {_few(twice)} more than once; an image has one label")


def _there(table: Path, missing: Sequence[str], folder: Path) -> None:
    if missing:
        raise DataError(f"{table} has labels of images that are not in {folder}: {_few(missing)}")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
