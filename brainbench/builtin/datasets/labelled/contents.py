"""Which layout a folder has, and what is in it: for ``brainbench data check``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from brainbench import Part
from brainbench.builtin.datasets.labelled import layouts
from brainbench.datasets import list_images

_NOT_CLASSES = ("images", "stimuli", "masks", "subjects")
_ARCHIVE = "https://challenge.isic-archive.com/data (or its downloader, isic-cli)"


def root_eurosat(path: Path) -> Path | None:
    """``path`` if it has the layout, else the folder near it that has."""
    return _near(path, lambda place: layouts.eurosat_folder(place) is not None)


def root_isic2018(path: Path) -> Path | None:
    """``path`` if it has the layout, else the folder near it that has."""
    names = (layouts.ISIC_2018_TRUTH, layouts.HAM_TABLE)
    return _near(path, lambda place: any(layouts.first(place, name) for name in names))


def root_isic2019(path: Path) -> Path | None:
    """``path`` if it has the layout, else the folder near it that has."""
    return _near(path, lambda place: layouts.first(place, layouts.ISIC_2019_TRUTH) is not None)


def root_medmnist(path: Path) -> Path | None:
    """``path`` if it is the file, or a folder with it alone, else the folder near it that has it."""
    return _near(path, lambda place: len(layouts.npz_files(place)) == 1)


def root_labels(path: Path) -> Path | None:
    """``path`` if it has ``labels.csv`` or at least two folders of images, and no other layout of labelled images."""
    if any(root(path) for root in (root_eurosat, root_isic2018, root_isic2019, root_medmnist)):
        return None
    return _near(path, lambda place: (place / layouts.TABLE).is_file() or len(_classes(place)) > 1, below=False)


def of_eurosat(*, data: Path, settings: Mapping[str, Any]) -> list[Part]:
    """The folders of the classes."""
    folder = layouts.eurosat_folder(data) or data / "2750"
    source = "https://zenodo.org/records/7711810 (EuroSAT_RGB.zip)"
    return [_images(folder / name, f"images of {name}", source) for name in layouts.EUROSAT_CLASSES]


def of_isic2018(*, data: Path, settings: Mapping[str, Any]) -> list[Part]:
    """The tables and the pictures."""
    if table := layouts.first(data, layouts.HAM_TABLE):
        return [_file(table, "diagnoses and lesions", ""), _images(data, "photographs", "")]
    tables = ((layouts.ISIC_2018_TRUTH, "diagnoses"), (layouts.ISIC_2018_LESIONS, "lesions"))
    return [
        *(_file(layouts.first(data, name) or data / name, what, _ARCHIVE) for name, what in tables),
        _images(data, "photographs", _ARCHIVE),
    ]


def of_isic2019(*, data: Path, settings: Mapping[str, Any]) -> list[Part]:
    """The tables and the pictures."""
    tables = ((layouts.ISIC_2019_TRUTH, "diagnoses"), (layouts.ISIC_2019_TABLE, "lesions"))
    return [
        *(_file(layouts.first(data, name) or data / name, what, _ARCHIVE) for name, what in tables),
        _images(data, "photographs", _ARCHIVE),
    ]


def of_medmnist(*, data: Path, settings: Mapping[str, Any]) -> list[Part]:
    """The npz file."""
    files = layouts.npz_files(data)
    place = files[0] if len(files) == 1 else data / "dermamnist_224.npz"
    return [_file(place, "pictures and labels", "https://zenodo.org/records/10519652")]


def of_labels(*, data: Path, settings: Mapping[str, Any]) -> list[Part]:
    """The table, or the folders of the classes."""
    table = data / layouts.TABLE
    if table.exists():
        return [_file(table, "labels", ""), _images(data, "images", "")]
    return [_images(data / name, f"images of {name}", "") for name in _classes(data)]


def _near(path: Path, fits: Callable[[Path], bool], *, below: bool = True) -> Path | None:
    if fits(path):
        return path
    for place in (path.parent, path.parent.parent):
        if fits(place):
            return place
    for pattern in ("*", "*/*") if below and path.is_dir() else ():
        found = [place for place in sorted(path.glob(pattern)) if not place.name.startswith(".") and fits(place)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _classes(folder: Path) -> Sequence[str]:
    if not folder.is_dir():
        return []
    inner = [one for one in sorted(folder.iterdir()) if one.is_dir() and not one.name.startswith((".", "_"))]
    # Beside classes there is nothing else: other datasets keep pictures in folders, too.
    if any(one.name in _NOT_CLASSES or not _has_images(one) for one in inner):
        return []
    return [one.name for one in inner]


def _has_images(folder: Path) -> bool:
    return any(file.is_file() and _is_image(file) for file in folder.iterdir())


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def _file(place: Path, what: str, source: str) -> Part:
    there = place.is_file()
    return Part("", what, place, there, size=place.stat().st_size if there else 0, source=source)


def _images(folder: Path, what: str, source: str) -> Part:
    names = list_images(folder) if folder.is_dir() and any(map(_is_image, folder.rglob("*"))) else []
    size = sum((folder / name).stat().st_size for name in names)
    return Part("", what, folder, bool(names), size=size, source=source, detail=f"{len(names):,} images")
