"""Opening .npy files: mapped, never unpickled, and damage is named."""

from __future__ import annotations

import math
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO

import numpy as np

from brainbench.datasets.file_kinds import advice
from brainbench.errors import DataError


def open_npy(path: Path) -> np.ndarray:
    """Map an array of real numbers into memory, as it lies in the file; writing to it does not change the file.

    Raises DataError for a file that is truncated, not .npy, empty, or that holds anything but real numbers.
    """
    try:
        with path.open("rb") as file:
            shape, dtype = _header(path, file)
            stored = path.stat().st_size - file.tell()
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}") from problem
    if dtype.kind not in "fiub":
        raise DataError(f"{path} holds {dtype!s:.80} values: save an array of plain numbers with numpy.save")
    if 0 in shape:
        raise DataError(f"{path} is an empty array of shape {shape}")
    needed = math.prod(shape) * dtype.itemsize
    if stored < needed:
        raise DataError(f"{path} is truncated: {stored} of {needed} bytes are there; copy or save it again")
    return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))


def _header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    # The header is a Python literal, which numpy hands to the tokenizer and the parser.
    except (ValueError, TypeError, EOFError, SyntaxError, TokenError, MemoryError, RecursionError) as problem:
        raise DataError(
            f"{path} is not a readable .npy file: {advice(path, 'save the array with numpy.save')}"
        ) from problem
    return shape, dtype


def expect_shape(path: Path, array: np.ndarray, shape: tuple[int, ...], meaning: str) -> None:
    """DataError unless ``array`` has this shape; ``meaning`` says what the axes are."""
    if array.shape != shape:
        raise DataError(f"{path} has shape {array.shape}, expected {shape}: {meaning}")
