"""The Python door to tokens: ``brainbench.features`` gives the tokens of any installed backbone for any images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainbench.benchmark import resolve_device
from brainbench.cards import DatasetCard
from brainbench.errors import BrainbenchError, PluginError, UsageError
from brainbench.keys import library_version
from brainbench.matrix import DatasetPick, tokens_job
from brainbench.places import Places, default_cache, storage
from brainbench.plugins import Plugin
from brainbench.registry import Entry, installed
from brainbench.reporting import Silent
from brainbench.runner import FeatureReader, JobError
from brainbench.selection import pick_backbones
from brainbench.settings import Assignments
from brainbench.types import Features, Grid, Stimuli

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
    root = default_cache() if cache is None else Path(cache)
    places = Places(root, root, root)
    with storage(places.features):
        places.features.mkdir(parents=True, exist_ok=True)
    card = DatasetCard(name="images", loader=_Images)
    data = DatasetPick(Entry(card, Plugin("images", "brainbench", library_version("brainbench"))), _Images(stimuli))
    try:
        return FeatureReader(data, places, where, Silent()).of(tokens_job(picks[0], _SUBJECT, grid, data))
    except JobError as error:
        if isinstance(error.cause, BrainbenchError):
            raise error.cause from error
        raise PluginError(f"{backbone} ({error.plugin.distribution}) failed to give tokens: {error}") from error


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
