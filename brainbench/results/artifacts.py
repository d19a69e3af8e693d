"""The stored artifacts of a record: its arrays and the parameters of its fit.

``<key>.zarr`` contains predictions (of unmeasured stimuli too), their ids, per-voxel scores, selectors and ROI masks.
``<key>.safetensors`` contains the fitted encoder. The record has their sha256.
"""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from brainbench.records import Record
from brainbench.results.arrays import _DAMAGED, _path, array_digest
from brainbench.util.files import write_atomically
from brainbench.util.hashing import file_sha256


def artifact_digests(folder: Path, record: Record) -> dict[str, str | None]:
    """Return the present sha256 of every artifact that a record names. None for one that is missing or unreadable."""
    return {name: _artifact_digest(folder, record.key, name) for name in record.artifacts}


def _artifact_digest(folder: Path, key: str, name: str) -> str | None:
    store, _, array = name.partition("/")
    try:
        if name == f"{key}.safetensors":
            return file_sha256(folder / name)
        # Nothing is read from the stores of other records.
        if store == f"{key}.zarr" and array:
            return array_digest(np.asarray(zarr.open_group(folder / store, mode="r")[_path(array)][...]))  # type: ignore[index]
    except _DAMAGED:
        pass
    return None


def discard(folder: Path, key: str) -> None:
    """Remove the artifacts of a record that will not be written."""
    for path in (*folder.glob(f"{key}.*"), *folder.glob(f".{key}.*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_parameters(folder: Path, key: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Write ``<key>.safetensors``. Returns its sha256."""
    from safetensors.torch import save

    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in parameters.items()})
    write_atomically(folder / f"{key}.safetensors", content)
    return {f"{key}.safetensors": hashlib.sha256(content).hexdigest()}


def read_parameters(folder: Path, record: Record) -> dict[str, Any] | None:
    """Return the parameters of a record's fitted encoder, by name. None if they are missing or do not match their digest."""
    from safetensors.torch import load

    name = f"{record.key}.safetensors"
    try:
        content = (folder / name).read_bytes()
    except OSError:
        return None
    return load(content) if hashlib.sha256(content).hexdigest() == record.artifacts.get(name) else None


def count_parameters(folder: Path, record: Record) -> int | None:
    """Return the number of parameters of a record's fitted encoder. None if they are missing or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / f"{record.key}.safetensors", "numpy") as file:
            return sum(int(math.prod(file.get_slice(name).get_shape())) for name in file.keys())  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError):
        return None
