"""The Python door to tokens: those of any installed backbone for any images, and those that a fit was made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainbench.cards import DatasetCard
from brainbench.errors import BrainbenchError, PluginError, UsageError
from brainbench.planning.backbones import pick_backbones
from brainbench.planning.dataset import OpenDataset
from brainbench.planning.jobs import tokens_job
from brainbench.planning.picks import BackbonePick
from brainbench.planning.settings import Assignments
from brainbench.plugins import Plugin, library_version
from brainbench.registry import Entry, installed
from brainbench.runner import FeatureReader, JobError
from brainbench.types import Features, Grid, Stimuli
from brainbench.util.files import storage
from brainbench.util.folders import Folders, default_cache
from brainbench.util.memory import resolve_device
from brainbench.util.progress import Silent

_SUBJECT = "anybody"


def features(
    backbone: str, stimuli: Stimuli, *, grid: Grid = "8", device: str = "auto", cache: str | Path | None = None
) -> Features:
    """The tokens of a backbone for these images, from the cache or computed now and cached.

    They are what a run with the same backbone and images reads; neither computes what the other has.

    Args:
        backbone: one name as in ``--backbones``, e.g. ``random``, ``clip/mini@untrained`` or ``clip/mini+mae/mini``.
        stimuli: the images.
        grid: ``8``, or ``native`` for the backbone's own.
        device: ``auto``, ``cpu`` or ``cuda``.
        cache: where features are kept; None for the usual place.

    Raises:
        UsageError: there is no such backbone, or the name means several.
        WeightsError, PluginError: the backbone cannot give its tokens.
    """
    where = resolve_device(device)
    picks = pick_backbones(
        backbone, installed(), Assignments(()), simulated=True, weights=(), controls=False, device=where
    )
    if len(picks) != 1:
        raise UsageError(f"{backbone}: one backbone is needed, this means {', '.join(p.display for p in picks)}")
    return read_tokens(picks[0], stimuli, grid, where, cache_folders(cache))


def cache_folders(cache: str | Path | None) -> Folders:
    """The folders of a reader: nothing but a cache, in the usual place if None."""
    root = default_cache() if cache is None else Path(cache)
    folders = Folders(root, root, root)
    with storage(folders.features):
        folders.features.mkdir(parents=True, exist_ok=True)
    return folders


def read_tokens(pick: BackbonePick, stimuli: Stimuli, grid: Grid, device: str, folders: Folders) -> Features:
    """The tokens of a backbone for these images; raises PluginError when it cannot give them."""
    card = DatasetCard(name="images", loader=_Images)
    data = OpenDataset(Entry(card, Plugin("images", "brainbench", library_version("brainbench"))), _Images(stimuli))
    try:
        return FeatureReader(data, folders, device, Silent()).of(tokens_job(pick, _SUBJECT, grid, data))
    except JobError as error:
        if isinstance(error.cause, BrainbenchError):
            raise error.cause from error
        raise PluginError(f"{pick.display} ({error.plugin.distribution}) failed to give tokens: {error}") from error


@dataclass
class _Images:
    """A dataset of nothing but images."""

    shown: Stimuli
    subjects: Sequence[str] = (_SUBJECT,)
    version: str = "1"
    provides: frozenset[str] = frozenset()

    def stimuli(self, subject: str) -> Stimuli:
        return self.shown

    def responses(self, subject: str) -> None:
        return None

    def masks(self, subject: str) -> None:
        return None

    def dissimilarities(self, subject: str) -> Any:
        return None
