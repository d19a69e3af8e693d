"""Records on disk, and the arrays and parameters beside them.

``<key>.json`` is written last and at once, so it stands for a finished job; ``<key>.zarr`` holds predictions (of
unmeasured stimuli too), their ids, per-voxel scores, selectors and ROI masks, ``<key>.safetensors`` the fitted encoder. Their
sha256 are in the record.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from pydantic import TypeAdapter, ValidationError
from zarr.codecs import Crc32cCodec

from brainbench.errors import StoreError
from brainbench.records import Record
from brainbench.util.hashing import digest, file_sha256

_RECORD = TypeAdapter(Record)
# What zarr raises when a group, an array or a chunk is gone, cut short or not what its metadata say.
_DAMAGED = (OSError, ValueError, KeyError, TypeError)


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


def write_arrays(
    folder: Path, key: str, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]
) -> dict[str, str]:
    """Write ``<key>.zarr`` whole; returns the sha256 of each array. The caller holds the key's lock."""
    # One name for every process: what a killed run left half built is replaced by the next one.
    final, building = folder / f"{key}.zarr", folder / f".{key}.zarr.new"
    shutil.rmtree(building, ignore_errors=True)
    group = zarr.open_group(building, mode="w")
    for name, array in arrays.items():
        stored = group.create_array(
            _path(name), shape=array.shape, dtype=array.dtype, chunks=array.shape, compressors=[Crc32cCodec()]
        )
        stored[...] = array
    group.attrs.update(dict(attributes))
    shutil.rmtree(final, ignore_errors=True)
    building.replace(final)
    return {f"{key}.zarr/{name}": array_digest(array) for name, array in arrays.items()}


def read_arrays(folder: Path, record: Record) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """(arrays, attributes) stored beside a record, or None when any of them is gone or is not the one the record names."""
    stored = StoredArrays(folder, record)
    try:
        arrays = {name: stored[name] for name in stored.digests}
        attributes = dict(zarr.open_group(folder / f"{record.key}.zarr", mode="r").attrs)
    except _DAMAGED:
        return None
    return (arrays, attributes) if arrays else None


class StoredArrays(Mapping[str, np.ndarray]):
    """The arrays stored beside a record, by name, each read and compared with its digest whenever it is asked for.

    What is gone or is not the one the record names is not among them. digests: sha256 of what the record names.
    """

    def __init__(self, folder: Path, record: Record) -> None:
        prefix = f"{record.key}.zarr/"
        self._store = folder / f"{record.key}.zarr"
        self.digests = {
            name.removeprefix(prefix): sha for name, sha in record.artifacts.items() if name.startswith(prefix)
        }

    def __getitem__(self, name: str) -> np.ndarray:
        sha = self.digests[name]
        try:
            array = np.asarray(zarr.open_group(self._store, mode="r")[_path(name)][...])  # type: ignore[index]
        except (OSError, ValueError):
            raise KeyError(name) from None
        if array_digest(array) != sha:
            raise KeyError(name)
        return array

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.digests if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_ids(folder: Path, key: str) -> list[str] | None:
    """Names of the test stimuli that the stored predictions are about; None when they cannot be read."""
    try:
        ids = zarr.open_group(folder / f"{key}.zarr", mode="r").attrs["ids"]
    except _DAMAGED:
        return None
    return [str(name) for name in ids] if isinstance(ids, list) else None


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


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a kill, sees the old one or the new one. The caller holds the lock it is written under."""
    building = path.with_name(f".{path.name}.new")
    try:
        with building.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)


def _path(name: str) -> str:
    """An array's name inside the store: a ROI or a metric may have a slash in its name, which is no folder there."""
    return name.replace("%", "%25").replace("/", "%2F")


def array_digest(array: np.ndarray) -> str:
    """sha256 over dtype, shape and bytes."""
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


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
