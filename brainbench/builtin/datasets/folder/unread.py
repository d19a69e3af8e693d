"""Files that nothing reads: a slip in a name, a format that is not read, responses under a name of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from brainbench import DataError
from brainbench.datasets import near_miss

_SIDES = ("lh.", "rh.")
_PACKED = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar")
# Of these, a folder without responses has none by accident.
_ARRAYS = (
    *(
        ".npy",
        ".npz",
        ".mat",
        ".h5",
        ".hdf5",
        ".hdf",
        ".zarr",
        ".parquet",
        ".feather",
        ".arrow",
        ".xlsx",
        ".xls",
        ".ods",
    ),
    *(".nii", ".nii.gz", ".mgh", ".mgz", ".gii", ".img", ".hdr", ".nrrd", ".brik", ".brik.gz"),
    *(".pkl", ".pickle", ".joblib", ".pt", ".rds", ".rdata", ".nc", ".fif", ".edf", ".nwb"),
)
_READ = (
    *(".npy", ".npz", ".mat", ".h5", ".hdf5", ".zarr", ".parquet", ".feather", ".xlsx"),
    *(".nii", ".nii.gz", ".mgh", ".mgz", ".gii", ".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz"),
)
_TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".json")
_MEASURED = re.compile(r"respons|beta|bold|voxel|fmri|spike|firing|neural|activ|statmap", re.IGNORECASE)
_BIDS = re.compile(r"^sub-.*_(bold|statmap|betas?)\.", re.IGNORECASE)
_INHERITED = ("events", "participants", "dataset_description")
# Folders whose files are read, or are about other things.
_ELSEWHERE = {"images", "stimuli", "masks", "rois", "surface", "results", "leaderboards"}


def refuse_unread_names(folder: Path, known: Sequence[str]) -> None:
    """DataError for a name in ``folder`` that looks like one of ``known`` and is not read.

    That is a known name with another suffix while no file with a suffix that is read has it, or a slip of the pen.
    """
    there = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    there = [name for name in there if not _is_sidecar(name, there)]
    suffixes: dict[str, list[str]] = {}
    for name in known:
        stem, suffix = _parts(name)
        suffixes.setdefault(stem, []).append(suffix)
    read = {_parts(name)[0] for name in there if name in known}
    for name in there:
        stem, suffix = _parts(name)
        meant = stem.endswith("responses") or suffix.casefold() in (*_ARRAYS, *_TABLES, *_PACKED)
        if name not in known and stem in suffixes and stem not in read and meant:
            _refuse_suffix(folder / name, suffix, [one for one in suffixes[stem] if one])
    # Another format is no slip of the pen.
    for suffix in {_parts(name)[1].casefold() for name in there}:
        slip = near_miss(
            (name for name in there if _parts(name)[1].casefold() == suffix),
            [name for name in known if _parts(name)[1] == suffix],
        )
        if slip:
            raise DataError(f"{folder / slip[0]} would not be read: did you mean {slip[1]!r}? Rename it")


def _refuse_suffix(path: Path, suffix: str, allowed: Sequence[str]) -> None:
    stem = path.name.removesuffix(suffix)
    if suffix in _PACKED:
        raise DataError(f"{path} is not read: unpack it")
    if suffix.casefold() in allowed:
        raise DataError(f"{path} would not be read: did you mean {stem + suffix.casefold()!r}? Rename it")
    if allowed and stem != "dataset":
        formats = ", ".join(dict.fromkeys(allowed))
        raise DataError(f"{path} is not read: {stem} is read from {formats}; save it as one of these")


def _is_sidecar(name: str, there: Sequence[str]) -> bool:
    """Whether BIDS puts this .json beside a file of the same name, or above such files."""
    stem, suffix = _parts(name)
    if suffix != ".json":
        return False
    return stem in _INHERITED or any(_parts(other)[0] == stem and not other.endswith(".json") for other in there)


def _parts(name: str) -> tuple[str, str]:
    """``lh.responses.func.gii`` -> (``lh.responses``, ``.func.gii``)."""
    side = name[:3] if name.startswith(_SIDES) else ""
    stem, dot, suffix = name[len(side) :].partition(".")
    return side + stem, dot + suffix


def refuse_unread_responses(place: Path) -> None:
    """DataError for a file below ``place``, where no responses are read, that looks like responses under another name."""
    for path in _below(place):
        name = path.name.casefold()
        if not name.endswith(_ARRAYS) and not (name.endswith(_TABLES) and _MEASURED.search(name)):
            continue
        if _BIDS.search(name):
            raise DataError(
                f"{path} is not read under its BIDS name: estimate one volume for each picture shown (a bold series has "
                "one for each scan), and name it responses.nii.gz in the folder of its subject or session, with "
                "mask.nii.gz and events.tsv"
            )
        cure = "rename it" if name.endswith(_READ) else "save it as one of these"
        raise DataError(
            f"no responses are read from {place}, but {path} is there: responses are named responses.npy, .csv, .mat, "
            f".h5, .nii.gz ...; {cure}, or move it elsewhere if it holds none"
        )


def _below(place: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(place):
        # A zarr array is a folder.
        whole = [name for name in folders if name.casefold().endswith(_ARRAYS)]
        entered = {*folders} - {*whole} - {name for name in folders if name.casefold() in _ELSEWHERE or name[0] == "."}
        folders[:] = sorted(entered)
        yield from (Path(folder) / name for name in sorted([*files, *whole]) if not _is_known(name))


def _is_known(name: str) -> bool:
    stem = _parts(name)[0].removeprefix("lh.").removeprefix("rh.")
    return name.startswith(".") or stem in (
        *("stimuli", "events", "coordinates", "rois", "noise_ceiling", "splits", "mask", "vertices", "dissimilarities"),
        *("participants", "dataset", "dataset_description", "README"),
    )
