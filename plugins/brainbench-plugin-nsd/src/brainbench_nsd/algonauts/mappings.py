"""``mapping_*.npy``: a pickled dict, read without running anything that it might hold."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError

# What numpy.save writes around a dict of numbers and texts; the module's name changed in numpy 2.
_MAKERS: dict[str, Any] = {"_reconstruct": np.empty(0).__reduce__()[0], "scalar": np.int64(0).__reduce__()[0]}
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{(f"numpy.{core}.multiarray", name): maker for core in ("core", "_core") for name, maker in _MAKERS.items()},
}


class _RefusedError(Exception):
    """A name that a mapping has no use for."""


class _Unpickler(pickle.Unpickler):
    """Knows dicts, lists, numbers and texts, which pickle makes itself, and numpy's arrays and scalars; nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The object of an allowed name; nothing is ever imported."""
        if (module, name) not in _ALLOWED:
            raise _RefusedError(f"{module}.{name}")
        return _ALLOWED[module, name]


def read_mapping(path: Path) -> dict[int, str]:
    """Number in the masks -> ROI name, from a dict that was saved with ``numpy.save``.

    Raises DataError for a file that is damaged, that holds something else, or that names anything to be imported.
    """
    content = _unpickle(path)
    whole = content.item() if isinstance(content, np.ndarray) and content.size == 1 else content
    if not isinstance(whole, dict) or not all(map(_is_entry, whole.items())):
        raise DataError(f"{path} is not a dict of whole numbers and ROI names: take it from the archive again")
    return {int(number): str(name) for number, name in whole.items()}


def _is_entry(entry: tuple[Any, Any]) -> bool:
    return isinstance(entry[0], int | np.integer) and isinstance(entry[1], str)


def _unpickle(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            return _Unpickler(file).load()
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}; it names the ROIs of its class") from problem
    except _RefusedError as problem:
        raise DataError(
            f"{path} asks for {problem}, which no mapping needs: nothing of it was run; take the file from the archive again"
        ) from problem
    except Exception as problem:  # a damaged pickle raises nearly anything
        raise DataError(f"{path} is damaged or no mapping: take it from the archive again") from problem
