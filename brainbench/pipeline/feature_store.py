"""The feature store: tokens on disk, chunked, checksummed and filled in whatever order; read piece by piece.

One zarr group a feature key: ``local/<layer>`` [S, C_l, H_l, W_l] and ``global/<layer>`` [S, C_l], 64 stimuli a chunk, each
chunk a file with a CRC-32C. A chunk that is absent or fails its checksum is reported by ``gaps`` and written again; the
others stay. What went into the key is stored with the group, so that the cache can say why something was not a hit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec

from brainbench.errors import DataError
from brainbench.util.files import drafted

if TYPE_CHECKING:
    from zarr import Group

CHUNK = 64


class FeatureStore:
    """The features of one key, in ``folder``. Implements ``brainbench.Features`` once it is complete."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key
        self._group = zarr.open_group(folder, mode="r")
        attributes = self._group.attrs.asdict()
        self.layers: tuple[str, ...] = tuple(attributes["layers"])  # type: ignore[arg-type]
        self.channels: tuple[int, ...] = tuple(attributes["channels"])  # type: ignore[arg-type]
        self.grids: tuple[tuple[int, int], ...] = tuple((h, w) for h, w in attributes["grids"])  # type: ignore[union-attr, misc]
        self.stimuli: int = int(attributes["stimuli"])  # type: ignore[arg-type]
        self.weights_sha256: str | None = attributes["weights_sha256"]  # type: ignore[assignment]
        self.ingredients: Mapping[str, Any] = attributes["ingredients"]  # type: ignore[assignment]

    @classmethod
    def create(
        cls,
        folder: Path,
        key: str,
        *,
        layers: Sequence[str],
        local: Sequence[np.ndarray],
        stimuli: int,
        weights_sha256: str | None,
        ingredients: Mapping[str, Any],
    ) -> FeatureStore:
        """Make an empty store whose layers look like ``local``, one sample array [n, C_l, H_l, W_l] per layer."""
        with drafted(folder) as draft:
            cls._lay_out(
                draft, layers, local, stimuli, {"weights_sha256": weights_sha256, "ingredients": dict(ingredients)}
            )
        return cls(folder, key)

    @staticmethod
    def _lay_out(
        folder: Path, layers: Sequence[str], local: Sequence[np.ndarray], stimuli: int, facts: Mapping[str, Any]
    ) -> None:
        group = zarr.open_group(folder, mode="w")
        for number, sample in enumerate(local):
            _array(group, f"local/{number}", (stimuli, *sample.shape[1:]), sample.dtype)
            _array(group, f"global/{number}", (stimuli, sample.shape[1]), sample.dtype)
        group.attrs.update(
            {
                "layers": list(layers),
                "channels": [int(sample.shape[1]) for sample in local],
                "grids": [list(map(int, sample.shape[2:])) for sample in local],
                "stimuli": stimuli,
                **facts,
            }
        )

    @classmethod
    def find(cls, folder: Path, key: str) -> FeatureStore | None:
        """Return the store in ``folder``. None if there is none or its description cannot be read."""
        if not folder.exists():
            return None
        try:
            return cls(folder, key)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def __len__(self) -> int:
        return self.stimuli

    def local_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return [n, C_l, H_l, W_l] of these rows."""
        return self._read(f"local/{layer}", rows)

    def global_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return [n, C_l] of these rows."""
        return self._read(f"global/{layer}", rows)

    def write(self, rows: range, local: Sequence[np.ndarray], glob: Sequence[np.ndarray]) -> None:
        """Write one chunk of stimuli, all layers. Each file is written atomically. The caller holds the key's lock."""
        # Drafts of zarr that a killed run left behind.
        for draft in self.folder.glob(f"*/*/c/{rows.start // CHUNK}/**/*.partial"):
            draft.unlink()
        # A chunk of zeros needs a file too, or it would count as missing for ever. Arrays forget this setting when reopened.
        with zarr.config.set({"array.write_empty_chunks": True}):
            group = zarr.open_group(self.folder, mode="r+")
            for number, (spatial, pooled) in enumerate(zip(local, glob, strict=True)):
                group[f"local/{number}"][rows.start : rows.stop] = spatial  # type: ignore[index]
                group[f"global/{number}"][rows.start : rows.stop] = pooled  # type: ignore[index]

    def gaps(self) -> tuple[list[range], int]:
        """Return (chunks of rows to write, how many of them exist but are damaged). Reads everything once."""
        absent, damaged = [], 0
        for start in range(0, self.stimuli, CHUNK):
            rows = range(start, min(start + CHUNK, self.stimuli))
            if not self._present(start // CHUNK):
                absent.append(rows)
            elif not self._sound(rows):
                absent.append(rows)
                damaged += 1
        return absent, damaged

    def _present(self, chunk: int) -> bool:
        # zarr reads an absent chunk as zeros, so check the files themselves.
        return all(
            (self.folder / f"local/{n}/c/{chunk}/0/0/0").exists() and (self.folder / f"global/{n}/c/{chunk}/0").exists()
            for n in range(len(self.layers))
        )

    def _sound(self, rows: range) -> bool:
        try:
            for number in range(len(self.layers)):
                self._read(f"local/{number}", slice(rows.start, rows.stop))
                self._read(f"global/{number}", slice(rows.start, rows.stop))
        except (OSError, ValueError):  # what zarr raises for a failed checksum or a short file
            return False
        return True

    def _refuse_purged(self, name: str, rows: np.ndarray | slice) -> None:
        """Raise DataError if a chunk of these rows is gone: zarr would read it as zeros."""
        wanted = np.arange(self.stimuli)[rows] if isinstance(rows, slice) else rows
        tail = "0/0/0" if name.startswith("local") else "0"
        for chunk in np.unique(np.asarray(wanted) // CHUNK).tolist():
            if not (self.folder / f"{name}/c/{chunk}/{tail}").exists():
                raise DataError(
                    f"{self.folder}: chunk {chunk} of {name} was removed while it was in use; run the same command again"
                )

    def _read(self, name: str, rows: np.ndarray | slice) -> np.ndarray:
        self._refuse_purged(name, rows)
        array: Any = self._group[name]
        if isinstance(rows, slice):
            return np.asarray(array[rows])
        # Whole chunks, then the rows: zarr takes five times as long to gather rows by itself.
        result = np.empty((len(rows), *array.shape[1:]), array.dtype)
        for chunk in np.unique(rows // CHUNK):
            here = rows // CHUNK == chunk
            result[here] = array[chunk * CHUNK : (chunk + 1) * CHUNK][rows[here] % CHUNK]
        return result


def chunks(stimuli: int) -> list[range]:
    """Return the rows of every chunk."""
    return [range(start, min(start + CHUNK, stimuli)) for start in range(0, stimuli, CHUNK)]


def _array(group: Group, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    group.create_array(
        name,
        shape=shape,
        chunks=(min(CHUNK, shape[0]), *shape[1:]),
        dtype=dtype,
        # Tokens hardly compress; the checksum is what the store needs.
        compressors=[Crc32cCodec()],
    )
