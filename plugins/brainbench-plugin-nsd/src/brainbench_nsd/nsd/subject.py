"""One subject: what was shown, what was measured, and how they belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainbench import DataError, Stimuli
from brainbench.datasets import Ledger, Measured, Source, ZScored, ceiling_of_ncsnr, content_digest, file_state
from brainbench_nsd.nsd.betas import Betas
from brainbench_nsd.nsd.design import Design, read_design
from brainbench_nsd.nsd.images import Brick
from brainbench_nsd.nsd.layout import Layout
from brainbench_nsd.nsd.sessions import spelled
from brainbench_nsd.nsd.splits import split_images
from brainbench_nsd.nsd.surface import read_surface
from brainbench_nsd.nsd.volume import read_voxels
from brainbench_nsd.nsd.voxels import Voxels


@dataclass(frozen=True)
class Subject:
    """One subject, checked. stimulus: [R] of every trial; session: [R] its session; split: [S]; settings: the dataset's."""

    name: str
    layout: Layout
    stimuli: Stimuli
    stimulus: np.ndarray
    session: np.ndarray
    split: np.ndarray
    voxels: Voxels
    settings: Mapping[str, Any]
    notes: tuple[str, ...]

    def measured(self) -> Measured:
        """Made anew for every reading, so that no session stays in memory afterwards."""
        average = self.settings["repeats"] == "average"
        ceiling, notes = self._ceiling(average)
        return Measured(
            subject=self.name,
            source=self._source(),
            stimulus=self.stimulus,
            split=self.split[self.stimulus],
            average=average,
            coordinates=self.voxels.coordinates,
            flat=self.voxels.flat,
            rois=self.voxels.rois,
            noise_ceiling=ceiling,
            surface=self.voxels.surface,
            notes=(*self.notes, *self.voxels.notes, *notes),
        )

    def _source(self) -> Source:
        numbers, counts = list(self.voxels.sessions), list(self.voxels.trials.values())
        betas = Betas(
            self._key(),
            self.voxels.where,
            counts,
            len(self.voxels.place),
            lambda place: self.voxels.read(numbers[place]),
        )
        return ZScored(betas, self.session) if self.settings["zscore"] else betas

    def _key(self) -> str:
        """Of the files by path below the root, size, times of change and inode, and of the voxels that are read from them.

        To read 40 GB once more only to name them would take minutes; what the values are is in the key of the responses.
        """
        files = [path for pair in self.voxels.sessions.values() for path in pair]
        lines = "\n".join(f"{path.relative_to(self.layout.root).as_posix()}:{file_state(path)}" for path in files)
        return content_digest(lines.encode(), np.ascontiguousarray(self.voxels.place, np.int64).tobytes())

    def _ceiling(self, average: bool) -> tuple[np.ndarray | None, tuple[str, ...]]:
        """[V] share of the variance of a test row that can be explained; z-scoring leaves it as it is."""
        ncsnr = self.voxels.ncsnr
        if ncsnr is None:
            return None, (f"no ncsnr in {self.voxels.where.name}: no noise ceiling",)
        unknown = int((~np.isfinite(ncsnr)).sum())
        _, repeats = np.unique(self.stimulus[self.split[self.stimulus] == "test"], return_counts=True)
        trials = repeats if average else np.ones(1, int)
        ceiling = ceiling_of_ncsnr(np.nan_to_num(ncsnr, nan=0.0, posinf=0.0, neginf=0.0), trials)
        return ceiling, (
            (f"{unknown} of {len(ncsnr)} voxels have no ncsnr: their noise ceiling is 0",) if unknown else ()
        )


def read_subject(layout: Layout, name: str, settings: Mapping[str, Any], ledger: Ledger) -> Subject:
    """Read all there is of one subject but the betas themselves; DataError for what is missing, damaged or does not fit."""
    design = read_design(layout, name)
    read = read_surface if settings["space"] == "fsaverage" else read_voxels
    voxels = read(layout, name, settings)
    _check_trials(design, voxels, layout, name)
    trials = np.concatenate([design.trials(number) for number in voxels.sessions])
    images, stimulus = np.unique(design.image[trials], return_inverse=True)
    stimuli = Brick(layout.images).stimuli(images, ledger)
    split, notes = split_images(settings["split"], images, stimuli.digests, design.shared, settings["split_seed"])
    used = f"sessions {spelled(list(voxels.sessions))}: {len(trials)} trials of {len(images)} images"
    scaled = "betas z-scored in every session and voxel, over all its trials, before the split"
    return Subject(
        name=name,
        layout=layout,
        stimuli=stimuli,
        stimulus=stimulus,
        session=design.session[trials],
        split=split,
        voxels=voxels,
        settings=settings,
        notes=(used, *([scaled] if settings["zscore"] else []), *notes),
    )


def _check_trials(design: Design, voxels: Voxels, layout: Layout, name: str) -> None:
    for number, trials in voxels.trials.items():
        expected = len(design.trials(number))
        if trials != expected:
            where = f"{layout.behaviour(name)} has {expected} of session {number}"
            raise DataError(
                f"{voxels.sessions[number][0]} has {trials} trials, but {where}: they do not belong together"
            )
