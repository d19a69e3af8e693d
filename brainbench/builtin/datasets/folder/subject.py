"""One subject: everything there is, checked against one another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from brainbench import DataError
from brainbench.builtin.datasets.folder.ceiling import repeated
from brainbench.builtin.datasets.folder.dissimilarities import read_matrix
from brainbench.builtin.datasets.folder.layout import SPLITS, Layout
from brainbench.builtin.datasets.folder.masks import find_masks
from brainbench.builtin.datasets.folder.stimuli import Seen, read_seen
from brainbench.builtin.datasets.folder.voxels import Voxels, read_voxels
from brainbench.datasets import (
    Ledger,
    MaskFiles,
    automatic_split,
    content_digest,
    given_split,
    lookalikes,
    read_split,
    refuse_empty,
    units,
)

_PAIRS = 20  # of near-duplicates, named in a note


@dataclass(frozen=True)
class Subject:
    """One subject, checked.

    split: [S] train/val/test or "" where there are responses; matrix: [S, S]; digest: of it all; shared: name and digest of every
    file that is not in the subject's own folder, None if it has none.
    """

    name: str
    seen: Seen
    masks: MaskFiles | None
    matrix: np.ndarray | None
    voxels: Voxels | None
    split: np.ndarray | None
    notes: tuple[str, ...]
    digest: str
    shared: tuple[str, ...] | None

    @property
    def content(self) -> str:
        """Changes with anything that was read, or with the split."""
        return content_digest(
            self.digest.encode(), b"" if self.split is None else "\n".join(self.split.tolist()).encode()
        )

    @property
    def provides(self) -> set[str]:
        """Which of the protocol's words this subject has."""
        voxels = self.voxels
        parts = {
            "masks": self.masks,
            "dissimilarities": self.matrix,
            "responses": voxels,
            "coordinates": voxels and voxels.coordinates,
            "rois": (voxels and voxels.rois) or None,
            "noise_ceiling": voxels and voxels.noise_ceiling,
        }
        estimated = {"noise_ceiling"} if self.repeats else set()
        return {word for word, part in parts.items() if part is not None} | estimated

    @property
    def repeats(self) -> bool:
        """Whether a noise ceiling can be estimated from the responses."""
        rows = self.seen.rows
        return self.voxels is not None and self.split is not None and bool(len(repeated(rows, self.split[rows])))


def read_subject(
    name: str, places: Mapping[str, Layout], known: Collection[str], mesh: str | None, ledger: Ledger, seed: int
) -> Subject:
    """Read and check what there is for one subject of ``places``.

    known: every subject's image names, which a shared ``splits.csv`` may list; mesh: named in ``dataset.toml``. Raises DataError
    for what does not fit.
    """
    layout = places[name]
    seen = read_seen(layout, ledger)
    masks = find_masks(layout, seen, ledger)
    voxels = read_voxels(layout, seen, mesh, ledger)
    split, notes = _split(layout, seen, known, seed) if voxels else (None, ())
    return Subject(
        name=name,
        seen=seen,
        masks=masks,
        matrix=read_matrix(layout, list(places), name, len(seen.ids)),
        voxels=voxels,
        split=split,
        notes=(*seen.notes, *(voxels.notes if voxels else ()), *notes),
        digest=_digest(layout, seen, masks, voxels, ledger),
        shared=_shared(layout, ledger),
    )


def _split(layout: Layout, seen: Seen, known: Collection[str], seed: int) -> tuple[np.ndarray, tuple[str, ...]]:
    digests = seen.images.digests
    pairs = [pair for pair in lookalikes(seen.images.signatures) if digests[pair[0]] != digests[pair[1]]]
    unit = units(digests, seen.groups, pairs)
    notes = []
    if pairs:
        shown = ", ".join(f"{seen.ids[first]} and {seen.ids[second]}" for first, second in pairs[:_PAIRS])
        rest = f" and {len(pairs) - _PAIRS} more" if len(pairs) > _PAIRS else ""
        notes.append(
            f"{len(pairs)} pairs of images show one picture, resized, mirrored or of another format; they stay on one side "
            f"of the split: {shown}{rest}"
        )
    copies = len(digests) - len(set(digests))
    if copies:
        notes.append(
            f"{copies} of {len(digests)} images repeat another's content; such images stay on one side of the split"
        )
    path = layout.find(*SPLITS)
    if path and seen.split is not None:
        raise DataError(
            f"{path} is there, and the tables of the stimuli have a column split too: keep the one that is meant"
        )
    given = read_split(path, seen.ids, known) if path else seen.split
    table = path.name if path else "the tables' column split"
    if given is None:
        table = "the split by image content"
        split = automatic_split(digests, unit, seed)
        notes.append(f"no splits.csv: split 8:1:1 by image content (split_seed {seed})")
    else:
        split, more = given_split(given, digests, unit, seed, table)
        notes += more
    refuse_empty(split, str(path or table))
    return split, tuple(notes)


def _shared(layout: Layout, ledger: Ledger) -> tuple[str, ...] | None:
    if len(layout.places) == 1:
        return None
    return tuple(
        f"{name}:{ledger.digest(path)}" for name, path in layout.files() if not path.is_relative_to(layout.places[0])
    )


def _digest(layout: Layout, seen: Seen, masks: MaskFiles | None, voxels: Voxels | None, ledger: Ledger) -> str:
    """sha256 of everything read for one subject, by content and not by place."""
    coordinates = voxels.coordinates if voxels else None
    parts = [
        *(f"{name}:{digest}" for name, digest in zip(seen.ids, seen.images.digests, strict=True)),
        *(f"{name}:{ledger.digest(path)}" for name, path in layout.files()),
        *((*masks.digests, *masks.classes) if masks else ()),
        # Those of a mesh, whose many other files are not read.
        *([content_digest(coordinates.tobytes())] if coordinates is not None else []),
    ]
    return content_digest("\n".join(parts).encode())
