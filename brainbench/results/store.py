"""Records on disk, and the arrays and parameters beside them.

``<key>.json`` is written last and at once, so it stands for a finished job; ``<key>.zarr`` holds predictions (of
unmeasured stimuli too), their ids, per-voxel scores, selectors and ROI masks, ``<key>.safetensors`` the fitted encoder. Their
sha256 are in the record.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from pydantic import TypeAdapter, ValidationError

from brainbench.errors import StoreError
from brainbench.records import Record
from brainbench.results.arrays import _DAMAGED, _path, array_digest
from brainbench.util.files import write_atomically
from brainbench.util.hashing import digest, file_sha256

_RECORD = TypeAdapter(Record)


def write_record(folder: Path, record: Record) -> Path:
    """Write ``<key>.json`` so that it is there whole or not at all."""
    path = folder / f"{record.key}.json"
    text = json.dumps(record.to_json(), indent=1, allow_nan=False)
    write_atomically(path, (text + "\n").encode())
    return path


def read_record(path: Path) -> Record:
    """Read one record; raises StoreError naming the file when it is damaged or of another schema."""
    try:
        return _RECORD.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"{path}: not a readable record ({reason}); delete it and run the same command again"
        ) from None


def read_records(folder: Path) -> list[Record]:
    """All records of a folder, by key; raises StoreError on the first damaged one."""
    return [read_record(path) for path in sorted(folder.glob("*.json"))]


def read_digests(path: Path) -> tuple[str | None, str]:
    """(the digest that a record states, None in one of an earlier version; the digest of what it says)."""
    content = json.loads(path.read_bytes())
    return content.pop("digest", None), digest(content)


def artifact_digests(folder: Path, record: Record) -> dict[str, str | None]:
    """sha256 of every artifact a record names, as it lies there now; None for one that is gone or cannot be read."""
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
    """Remove what lies beside a record that will not be written."""
    for path in (*folder.glob(f"{key}.*"), *folder.glob(f".{key}.*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_parameters(folder: Path, key: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Write ``<key>.safetensors``; returns its sha256."""
    from safetensors.torch import save

    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in parameters.items()})
    write_atomically(folder / f"{key}.safetensors", content)
    return {f"{key}.safetensors": hashlib.sha256(content).hexdigest()}


def count_parameters(folder: Path, record: Record) -> int | None:
    """How many numbers the fitted encoder beside a record keeps to predict again; None when it is gone or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / f"{record.key}.safetensors", "numpy") as file:
            return sum(int(math.prod(file.get_slice(name).get_shape())) for name in file.keys())  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError):
        return None


def supersede(folder: Path, keys: Collection[str]) -> list[Record]:
    """Move records that one of ``keys`` replaces (same cell, another key: code or versions changed) to ``superseded/``."""
    records = read_records(folder)
    current = {record.cell for record in records if record.key in keys}
    replaced = [record for record in records if record.key not in keys and record.cell in current]
    for record in replaced:
        (folder / "superseded").mkdir(exist_ok=True)
        for path in folder.glob(f"{record.key}.*"):
            shutil.rmtree(folder / "superseded" / path.name, ignore_errors=True)
            path.replace(folder / "superseded" / path.name)
    return replaced


def no_records(folder: Path, dataset: str | None = None) -> StoreError:
    """What to say of a results folder that holds no records (of one dataset, or of any)."""
    what = f"no records of {dataset}" if dataset else "no records"
    return StoreError(f"{folder}: {what}; make some with `brainbench run --results {folder}`")
