"""The arrays of a record: their names, digests and place on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec

from brainbench.records import Record
from brainbench.types import ArrayNames, MetricInputs, Predictions, Responses, Selectors, Surface
from brainbench.util.files import drafted

# What zarr raises if a group, an array or a chunk is missing, truncated or inconsistent with its metadata.
_DAMAGED = (OSError, ValueError, KeyError, TypeError)


def write_arrays(
    folder: Path, key: str, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]
) -> dict[str, str]:
    """Write ``<key>.zarr`` completely. Returns the sha256 of each array. The caller holds the key's lock."""
    with drafted(folder / f"{key}.zarr") as draft:
        group = zarr.open_group(draft, mode="w")
        for name, array in arrays.items():
            stored = group.create_array(
                _path(name), shape=array.shape, dtype=array.dtype, chunks=array.shape, compressors=[Crc32cCodec()]
            )
            stored[...] = array
        group.attrs.update(dict(attributes))
    return {f"{key}.zarr/{name}": array_digest(array) for name, array in arrays.items()}


def read_arrays(
    folder: Path, record: Record, without: Collection[str] = ()
) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Return (arrays, attributes) of a record. None if one is missing or does not match its digest in the record.

    without: names of arrays that are not read.
    """
    stored = StoredArrays(folder, record)
    try:
        arrays = {name: stored[name] for name in stored.digests if name not in without}
        attributes = dict(zarr.open_group(folder / f"{record.key}.zarr", mode="r").attrs)
    except _DAMAGED:
        return None
    return (arrays, attributes) if arrays else None


class StoredArrays(Mapping[str, np.ndarray]):
    """The arrays of a record, by name. Each access reads an array and compares its digest.

    Arrays that are missing or do not match the record are left out. digests: the sha256 digests in the record.
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
    """Return the names of the test stimuli of the stored predictions. None if they cannot be read."""
    try:
        ids = zarr.open_group(folder / f"{key}.zarr", mode="r").attrs[ArrayNames.IDS]
    except _DAMAGED:
        return None
    return [str(name) for name in ids] if isinstance(ids, list) else None


def _path(name: str) -> str:
    """Return an array's name inside the store.

    Names of ROIs and metrics may contain a slash, which must not become a folder.
    """
    return name.replace("%", "%25").replace("/", "%2F")


def array_digest(array: np.ndarray) -> str:
    """Return the sha256 over dtype, shape and bytes."""
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def has_predictions(record: Record) -> bool:
    """Whether a record names stored predictions."""
    return f"{record.key}.zarr/{ArrayNames.PREDICTIONS}" in record.artifacts


def of_fit(
    predictions: Predictions,
    selectors: Selectors | None,
    unmeasured: np.ndarray | None = None,
    unmeasured_ids: Sequence[str] = (),
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return (arrays, attributes) of a fitted encoder's results.

    unmeasured: [U, V] predictions for the images ``unmeasured_ids``, which have no measured responses; None without any.
    """
    arrays = {ArrayNames.PREDICTIONS: predictions.values}
    attributes: dict[str, Any] = {ArrayNames.IDS: list(predictions.ids)}
    if unmeasured is not None:
        arrays[ArrayNames.UNMEASURED] = unmeasured
        attributes[ArrayNames.UNMEASURED_IDS] = list(unmeasured_ids)
    if selectors is None:
        return arrays, attributes
    read, layers = of_selectors(selectors)
    return arrays | read, attributes | layers


def of_selectors(selectors: Selectors) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return (arrays, attributes) of the selectors, float32."""
    kinds = {kind: getattr(selectors, kind) for kind in ArrayNames.SELECTORS}
    arrays = {ArrayNames.selector(k): np.asarray(a, np.float32) for k, a in kinds.items() if a is not None}
    return arrays, {ArrayNames.LAYERS: list(selectors.layers)}


def of_voxels(
    per_voxel: Mapping[str, np.ndarray], rois: Mapping[str, np.ndarray], surface: Surface | None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return (arrays, attributes) of the voxels.

    per_voxel: metric -> [V]; rois: name -> bool [V], over which a board pools; surface: where the voxels are painted.
    """
    arrays = {ArrayNames.per_voxel(metric): np.asarray(values) for metric, values in per_voxel.items()}
    arrays |= {ArrayNames.roi(name): np.asarray(mask, bool) for name, mask in rois.items()}
    if surface is None:
        return arrays, {}
    arrays[ArrayNames.VERTEX] = np.asarray(surface.vertex, np.int32)
    arrays[ArrayNames.RIGHT] = np.asarray(surface.hemisphere == "right")
    return arrays, {ArrayNames.MESH: surface.mesh}


def selectors_in(arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> Selectors | None:
    """Return the selectors of the fit. None if the encoder has none."""
    if ArrayNames.LAYERS not in attributes:
        return None
    kinds = {kind: arrays.get(ArrayNames.selector(kind)) for kind in ArrayNames.SELECTORS}
    return Selectors(tuple(attributes[ArrayNames.LAYERS]), **kinds)


def rois_in(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return ROI name -> bool [V]."""
    prefix = ArrayNames.roi("")
    return {n.removeprefix(prefix): np.asarray(a, bool) for n, a in arrays.items() if n.startswith(prefix)}


def surface_in(arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> Surface | None:
    """Return the positions of the voxels on a mesh. None if they are not vertices."""
    if ArrayNames.VERTEX not in arrays:
        return None
    side = np.where(arrays[ArrayNames.RIGHT], "right", "left")
    return Surface(str(attributes[ArrayNames.MESH]), side, arrays[ArrayNames.VERTEX])


def stored_inputs(
    arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any], responses: Responses, inputs: MetricInputs
) -> MetricInputs:
    """Return ``inputs`` with the record's stored predictions and selectors, and the measured responses."""
    observed = np.asarray(responses.values[responses.rows("test")], dtype=np.float32)
    predictions = Predictions(arrays[ArrayNames.PREDICTIONS], observed, tuple(attributes[ArrayNames.IDS]))
    return replace(inputs, predictions=predictions, selectors=selectors_in(arrays, attributes) or inputs.selectors)
