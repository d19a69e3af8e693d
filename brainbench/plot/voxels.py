"""The voxels of a fitted encoder, read from a record and its arrays, ready to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from brainbench.errors import StoreError, UsageError
from brainbench.records import Record
from brainbench.results.arrays import read_arrays, rois_in, selectors_in, surface_in
from brainbench.results.store import read_record
from brainbench.types import ArrayNames, Selectors, Surface


@dataclass(frozen=True)
class Voxels:
    """V voxels of one subject or several, with what their fits select.

    title: their source, in words; layers: L names; layer: [V, L], rows sum to 1; space: [V, 2] in [-1, 1], y downwards;
    scale: [V], 0 local .. 1 global; channel: [V, D], for one subject only; r2: [V]; correlation, likeness: [L, L], see
    metric ``trust``; rois: name -> bool [V]; surface: their positions, None without a mesh; sheets: folder with surfaces of
    that mesh, None for those that nilearn bundles; records: their records, one per subject; simulated: no brain was
    measured.
    """

    title: str
    layers: tuple[str, ...] = ()
    layer: np.ndarray | None = None
    space: np.ndarray | None = None
    scale: np.ndarray | None = None
    channel: np.ndarray | None = None
    r2: np.ndarray | None = None
    correlation: np.ndarray | None = None
    likeness: np.ndarray | None = None
    rois: Mapping[str, np.ndarray] = field(default_factory=dict)
    surface: Surface | None = None
    sheets: Path | None = None
    records: tuple[Record, ...] = ()
    simulated: bool = False

    @property
    def count(self) -> int:
        """Number of voxels, V; 0 if there are no arrays."""
        kept = (self.layer, self.scale, self.space, self.channel, self.r2)
        return next((len(array) for array in kept if array is not None), 0)

    def need(self, kind: str) -> np.ndarray:
        """Return one of the arrays by name. Raises UsageError if it is None."""
        array = getattr(self, kind)
        if array is None:
            what = "R2 per voxel" if kind == "r2" else f"{kind} selector"
            raise UsageError(
                f"{self.title}: the record has no stored {what}; fit an encoder that has one (factortopy has all), and run "
                "it with --keep all"
            )
        return np.asarray(array)


class Row(Protocol):
    """A row of a table, as a pandas Series or a dict."""

    def get(self, key: str, /) -> Any:
        """Return the value in a column. None if there is none."""


Source = str | Path | Row | Voxels
"""The source of a figure: the path of a record, a row of the frame that ``brainbench.run`` returns, or ``Voxels``."""


def voxels_of(source: Source) -> Voxels:
    """Read the voxels of a source. Raises StoreError if it is damaged, UsageError if it has no fit or is not a record."""
    if isinstance(source, Voxels):
        return source
    if isinstance(source, str | Path):
        return from_record(read_record(Path(source)), Path(source).parent)
    if (path := source.get("record")) is None:
        raise UsageError("a row without a column `record`: give a row of the frame that brainbench.run returns")
    return voxels_of(str(path))


def from_record(record: Record, folder: Path) -> Voxels:
    """Return the voxels of one record in ``folder``. Their arrays are None if only scores were kept."""
    where = folder / f"{record.key}.json"
    if record.status != "done" or record.encoder is None:
        raise UsageError(f"{where}: nothing was fitted there ({_why(record)}); choose a record with an encoder")
    title = f"{record.backbone.name}, {record.encoder.name}, subject {record.dataset.subject}"
    bare = Voxels(title, records=(record,), simulated=record.dataset.simulated)
    if not record.artifacts:
        return bare
    # Nothing is painted of the predictions, the largest array by far.
    found = read_arrays(folder, record, without=(ArrayNames.PREDICTIONS, ArrayNames.UNMEASURED))
    if found is None:
        raise StoreError(f"{where}: its arrays are missing or damaged; run the same command again with --fresh")
    return _filled(bare, *found)


def _filled(bare: Voxels, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> Voxels:
    selectors = selectors_in(arrays, attributes) or Selectors(())
    return Voxels(
        bare.title,
        layers=selectors.layers,
        layer=selectors.layer,
        space=selectors.space,
        scale=selectors.scale,
        channel=selectors.channel,
        r2=arrays.get(ArrayNames.per_voxel("r2")),
        correlation=selectors.correlation,
        likeness=selectors.likeness,
        rois=rois_in(arrays),
        surface=surface_in(arrays, attributes),
        records=bare.records,
        simulated=bare.simulated,
    )


def _why(record: Record) -> str:
    return f"{record.failure.type}: {record.failure.message}" if record.failure else "the job has no encoder"
