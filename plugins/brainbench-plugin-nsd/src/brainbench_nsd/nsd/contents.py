"""What a download of NSD may hold: for ``brainbench data check``. Nothing is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from brainbench import Part
from brainbench_nsd.nsd.layout import SIDES, Layout, folder_of
from brainbench_nsd.nsd.rois import CLASSES, GENERAL
from brainbench_nsd.nsd.sessions import number_of, spelled


def contents(*, data: Path, settings: Mapping[str, Any]) -> list[Part]:
    """Every file or group of files that the dataset reads with these settings, there or not."""
    layout = Layout(data)
    parts = [
        _part(layout, "", "design: which trial showed which image", [layout.design]),
        _part(layout, "", "table of images", [layout.table]),
        _part(layout, "", "all 73,000 images", [layout.images]),
    ]
    if settings["space"] == "fsaverage":
        surface = [layout.fsaverage / "surf" / f"{side}.{settings['shape']}" for side in SIDES]
        labels = [layout.shared_labels / f"{side}.{GENERAL}.mgz" for side in SIDES]
        streams = [layout.shared_labels / f"{side}.streams.mgz" for side in SIDES]
        parts += [
            _part(layout, "", "fsaverage surface, for the topology", surface, needed=False),
            _part(layout, "", f"which vertices are {GENERAL}", labels),
            _part(layout, "", "labels of streams", streams, needed=False),
        ]
    for subject in layout.subjects(settings["space"], settings["betas"]):
        own = _surface_parts if settings["space"] == "fsaverage" else _volume_parts
        parts.append(_part(layout, subject, "trials as they were logged", [layout.behaviour(subject)]))
        parts += own(layout, subject, layout.betas(subject, settings["space"], settings["betas"]))
    return parts


def provides(layout: Layout, subjects: Sequence[str], settings: Mapping[str, Any]) -> set[str]:
    """Which of the words of ``Dataset.provides`` there are files for, in any subject."""
    folders = [layout.betas(subject, settings["space"], settings["betas"]) for subject in subjects]
    if settings["space"] == "fsaverage":
        labels = [layout.shared_labels, *(layout.own_labels(subject) for subject in subjects)]
        rois, ceilings = _any(labels, "mgz"), [folder / "lh.ncsnr.mgh" for folder in folders]
        placed = bool(settings["surface"]) or (layout.fsaverage / "surf").is_dir()
    else:
        rois, ceilings = (
            _any([layout.volume_rois(s) for s in subjects], "nii.gz"),
            [f / "ncsnr.nii.gz" for f in folders],
        )
        placed = True
    there = {"rois": rois, "coordinates": placed, "noise_ceiling": any(path.is_file() for path in ceilings)}
    return {"responses", *(word for word, found in there.items() if found)}


def _surface_parts(layout: Layout, subject: str, folder: Path) -> Iterator[Part]:
    for side, word in SIDES.items():
        files = sorted(folder.glob(f"{side}.betas_session[0-9][0-9].mgh"))
        yield _betas(layout, subject, f"{word} hemisphere betas", folder / f"{side}.betas_session01.mgh", files)
    ceiling = [folder / f"{side}.ncsnr.mgh" for side in SIDES]
    yield _part(layout, subject, "ncsnr, for the noise ceiling", ceiling, needed=False)
    drawn = [name for name in CLASSES if name != "streams"]
    labels = [layout.own_labels(subject) / f"{side}.{name}.mgz" for name in drawn for side in SIDES]
    yield _part(layout, subject, f"labels of {', '.join(drawn)}", labels, needed=False)
    transforms = [layout.transform(subject, side) for side in SIDES]
    yield _part(
        layout, subject, f"what carries labels from {folder_of(subject)} to fsaverage", transforms, needed=False
    )
    yield _tables(layout, subject)


def _volume_parts(layout: Layout, subject: str, folder: Path) -> Iterator[Part]:
    files = sorted((*folder.glob("betas_session[0-9][0-9].hdf5"), *folder.glob("betas_session[0-9][0-9].nii.gz")))
    yield _betas(layout, subject, "betas in the 1.8 mm volume", folder / "betas_session01.hdf5", files)
    yield _part(layout, subject, "ncsnr, for the noise ceiling", [folder / "ncsnr.nii.gz"], needed=False)
    rois = layout.volume_rois(subject)
    yield _part(layout, subject, f"which voxels are {GENERAL}", [rois / f"{GENERAL}.nii.gz"])
    for name in CLASSES:
        sides = [rois / f"{side}.{name}.nii.gz" for side in SIDES]
        both = rois / f"{name}.nii.gz"
        given = sides if not both.is_file() and sides[0].is_file() else [both]
        yield _part(layout, subject, f"ROIs of {name}", given, needed=False)
    yield _tables(layout, subject)


def _tables(layout: Layout, subject: str) -> Part:
    tables = [layout.own_labels(subject) / f"{name}.mgz.ctab" for name in CLASSES]
    return _part(layout, subject, "names of the ROIs", tables, needed=False)


def _betas(layout: Layout, subject: str, what: str, place: Path, files: Sequence[Path]) -> Part:
    """One part for all sessions; which of them there are is its detail."""
    numbers = sorted({number_of(path) for path in files})
    detail = f"sessions {spelled(numbers)}" if files else ""
    return _filed(layout, subject, what, files[0] if files else place, files, [], detail, needed=True)


def _part(layout: Layout, subject: str, what: str, paths: Sequence[Path], *, needed: bool = True) -> Part:
    """One part for files that belong together: there if all of them are."""
    missing = [path for path in paths if not path.is_file()]
    there = [path for path in paths if path.is_file()]
    detail = f"{len(there)} of {len(paths)} files" if len(paths) > 1 else ""
    return _filed(layout, subject, what, (missing or there)[0], there, missing, detail, needed=needed)


def _filed(
    layout: Layout,
    subject: str,
    what: str,
    place: Path,
    there: Sequence[Path],
    missing: Sequence[Path],
    detail: str,
    *,
    needed: bool,
) -> Part:
    size = sum(path.stat().st_size for path in there)
    return Part(subject, what, place, bool(there) and not missing, needed, size, layout.source(place), detail)


def _any(folders: Sequence[Path], suffix: str) -> bool:
    return any(next(folder.glob(f"*{name}.{suffix}"), None) for folder in folders for name in CLASSES)
