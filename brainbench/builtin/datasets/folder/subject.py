"""One subject: everything there is, checked against one another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from brainbench.builtin.datasets.folder.dissimilarities import read_matrix
from brainbench.builtin.datasets.folder.layout import SUBJECT_FILES, Layout
from brainbench.builtin.datasets.folder.masks import MaskFiles, read_masks
from brainbench.builtin.datasets.folder.stimuli import Seen, read_seen
from brainbench.builtin.datasets.folder.voxels import Voxels, read_voxels
from brainbench.datasets import Ledger, automatic_split, content_digest, given_split, read_split, refuse_empty, units


@dataclass(frozen=True)
class Subject:
    """One subject, checked. split: [S] train/val/test or "" where there are responses; matrix: [S, S]; digest: of it all."""

    name: str
    seen: Seen
    masks: MaskFiles | None
    matrix: np.ndarray | None
    voxels: Voxels | None
    split: np.ndarray | None
    notes: tuple[str, ...]
    digest: str

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
        return {word for word, part in parts.items() if part is not None}


def read_subject(name: str, places: Mapping[str, Layout], known: Collection[str], ledger: Ledger, seed: int) -> Subject:
    """Read and check what there is for one subject of ``places``.

    known: every subject's image names, which a shared ``splits.csv`` may list. Raises DataError for what does not fit.
    """
    layout = places[name]
    seen = read_seen(layout, ledger)
    masks = read_masks(layout, seen, ledger)
    voxels = read_voxels(layout, len(seen.rows), seen.source, ledger)
    split, notes = _split(layout, seen, known, seed) if voxels else (None, ())
    return Subject(
        name=name,
        seen=seen,
        masks=masks,
        matrix=read_matrix(layout, list(places), name, len(seen.ids)),
        voxels=voxels,
        split=split,
        notes=(*seen.notes, *notes),
        digest=_digest(layout, seen, masks, ledger),
    )


def _split(layout: Layout, seen: Seen, known: Collection[str], seed: int) -> tuple[np.ndarray, tuple[str, ...]]:
    digests = seen.images.digests
    unit = units(digests, seen.groups)
    notes = []
    copies = len(digests) - len(set(digests))
    if copies:
        notes.append(
            f"{copies} of {len(digests)} images repeat another's content; such images stay on one side of the split"
        )
    path = layout.find("splits.csv")
    if path is None:
        split = automatic_split(digests, unit, seed)
        notes.append(f"no splits.csv: split 8:1:1 by image content (split_seed {seed})")
    else:
        split, more = given_split(read_split(path, seen.ids, known), digests, unit, seed)
        notes += more
    refuse_empty(split, str(path or "the split by image content"))
    return split, tuple(notes)


def _digest(layout: Layout, seen: Seen, masks: MaskFiles | None, ledger: Ledger) -> str:
    """sha256 of everything read for one subject, by content and not by place."""
    files = {name: path for name in SUBJECT_FILES if (path := layout.find(name))}
    parts = [
        *(f"{name}:{digest}" for name, digest in zip(seen.ids, seen.images.digests, strict=True)),
        *(f"{name}:{ledger.digest(path)}" for name, path in files.items()),
        *((*masks.digests, *masks.classes) if masks else ()),
    ]
    return content_digest("\n".join(parts).encode())
