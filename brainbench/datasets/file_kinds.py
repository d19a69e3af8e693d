"""What a file that cannot be read really is, by its first bytes: its name may be wrong, or its content was never fetched."""

from __future__ import annotations

from pathlib import Path

# First bytes, what they say, and the suffixes that say it too.
_KINDS = (
    (b"\x93NUMPY", "a numpy array", (".npy",)),
    (b"PK\x03\x04", "a zip archive, as npz and xlsx files are", (".npz", ".xlsx")),
    (b"\x1f\x8b", "gzip data", (".gz", ".mgz")),
    (b"\x89HDF\r\n", "HDF5", (".h5", ".hdf5", ".mat")),
    (b"MATLAB", "a MATLAB file", (".mat",)),
    (b"PAR1", "Parquet", (".parquet",)),
    (b"ARROW1", "Feather", (".feather",)),
    (b"FEA1", "Feather", (".feather",)),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", ()),
)
_POINTER = b"version https://git-lfs"
_PAGE = (b"<!doctype", b"<html")


def advice(path: Path, otherwise: str) -> str:
    """What to do about a file that cannot be read: by what it really is, or else ``otherwise``."""
    if path.is_dir() and path.suffix != ".zarr":
        return "it is a folder, where a file is wanted"
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError:
        return otherwise
    if start.startswith(_POINTER):
        return "it is a pointer of Git LFS: `git lfs pull` fetches the file itself"
    if start.lstrip().lower().startswith(_PAGE):
        return "it is a web page: download the file again"
    for beginning, kind, suffixes in _KINDS:
        if start.startswith(beginning) and not path.name.lower().endswith(suffixes):
            return f"it is {kind}, and not what its name says: rename it, or save it again"
    return otherwise
