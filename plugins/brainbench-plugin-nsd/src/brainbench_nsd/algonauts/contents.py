"""What of the release lies in a folder, for ``brainbench data check``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import Part
from brainbench.datasets import Cortex
from brainbench_nsd.algonauts import layout
from brainbench_nsd.algonauts.dataset import find_surface
from brainbench_nsd.algonauts.layout import CLASSES, SIDES, SubjectFolder

ARCHIVE = "the Algonauts 2023 archive (algonautsproject.com/2023, after its form)"
SUBJECTS = 8


def contents(*, data: Path, settings: Mapping[str, Any]) -> list[Part]:
    """The files of every subject who has a folder, those who have none in one line, and the surface; nothing is read."""
    folders = layout.subjects(data)
    parts = [part for folder in folders.values() for part in _subject(folder)]
    absent = [f"subj{number:02}" for number in range(1, SUBJECTS + 1) if str(number) not in folders]
    if absent:
        parts.append(Part("", f"subjects {', '.join(absent)}", data, there=False, needed=False, source=ARCHIVE))
    place = Path(settings["surface"]) if settings["surface"] else data / "fsaverage"
    return [*parts, _surface(place, find_surface(data, settings))]


def _subject(folder: SubjectFolder) -> Iterator[Part]:
    yield _images(folder, "images with responses", folder.train_images, needed=True)
    for side, name in SIDES.items():
        path = folder.responses(side)
        yield _files(folder, f"{name} hemisphere responses", path, [path], needed=True, detail=_header(path))
    marks = [folder.all_vertices(side) for side in SIDES]
    yield _files(folder, "which vertices of fsaverage", marks[0].parent, marks, needed=True)
    for kind in CLASSES:
        masks = [folder.mask(side, kind, "challenge") for side in SIDES]
        files = [folder.mapping(kind), *masks]
        yield _files(folder, f"ROIs {kind}", masks[0].parent, files, needed=False)
    yield _images(folder, "test images", folder.test_images, needed=False)


def _images(folder: SubjectFolder, what: str, place: Path, *, needed: bool) -> Part:
    files = sorted(place.glob("*.png")) if place.is_dir() else []
    detail = f"{len(files):,} images" if files else ""
    size = sum(path.stat().st_size for path in files)
    return Part(folder.name, what, place, bool(files), needed, size, ARCHIVE, detail)


def _files(folder: SubjectFolder, what: str, place: Path, files: list[Path], *, needed: bool, detail: str = "") -> Part:
    missing = [path.name for path in files if not path.exists()]
    size = sum(path.stat().st_size for path in files if path.exists())
    return Part(
        subject=folder.name,
        what=what,
        place=place,
        there=not missing,
        needed=needed,
        size=size,
        source=ARCHIVE,
        detail=detail or (f"missing: {', '.join(missing)}" if 0 < len(missing) < len(files) else ""),
    )


def _header(path: Path) -> str:
    """Shape and type of an array, "" where that cannot be told: the subject's own check says why."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return ""
    return f"{' x '.join(f'{n:,}' for n in values.shape)} {values.dtype}"


def _surface(place: Path, cortex: Cortex | None) -> Part:
    source = "nilearn.datasets.fetch_surf_fsaverage('fsaverage'), or FreeSurfer's subjects/fsaverage"
    detail = cortex.name if cortex else "without it encoders run without topology"
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) if place.is_dir() else 0
    return Part("", "cortical surface", place, cortex is not None, False, size, source, detail)
