"""Tokens from Python: those of any installed backbone for any images, and those that a fit read."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from PIL import Image

from brainbench.api.arguments import Settings, WeightFiles, assignment_texts, weight_texts
from brainbench.backbones.in_memory import as_it_is_now
from brainbench.cards import BackboneCard
from brainbench.errors import BrainbenchError, DataError, PluginError, UsageError
from brainbench.planning.backbones import pick_backbones
from brainbench.planning.picks import AnyBackbone
from brainbench.planning.settings import Assignments
from brainbench.planning.tokens import token_request
from brainbench.plugins import BlamedError, describe
from brainbench.registry import installed
from brainbench.runner import FeatureReader
from brainbench.types import Features, Grid, Stimuli
from brainbench.util.files import storage
from brainbench.util.folders import Folders, default_cache
from brainbench.util.memory import resolve_device
from brainbench.util.progress import Reporter, Silent


def features(
    backbone: str | BackboneCard,
    stimuli: Stimuli,
    *,
    grid: Grid = "8",
    device: str = "auto",
    cache: str | Path | None = None,
    weights: WeightFiles = (),
    set: Settings = (),
) -> Features:
    """The tokens of a backbone for these images, from the cache or computed now and cached.

    They are what a run with the same backbone and images reads; neither computes what the other has.

    Args:
        backbone: one name as in ``--backbones``, e.g. ``random``, ``clip/mini@untrained`` or ``clip/mini+mae/mini``, or what
            ``from_module`` returned.
        stimuli: the images.
        grid: ``8``, or ``native`` for the backbone's own.
        device: ``auto``, ``cpu`` or ``cuda``.
        cache: where features are kept; None for the usual place.
        weights: ``"untrained"``, or backbone name -> checkpoint file, as in ``run``.
        set: settings of the backbone, as in ``run``: ``{"clip/mini.tap": "attention"}``.

    Raises:
        UsageError: there is no such backbone or setting, or the name means several.
        WeightsError, PluginError: the backbone cannot give its tokens.
    """
    where = resolve_device(device)
    return read_tokens(_one(backbone, where, weights, set), stimuli, grid, where, cache_folders(cache))


def features_key(
    backbone: str | BackboneCard,
    stimuli: Stimuli,
    *,
    grid: Grid = "8",
    device: str = "auto",
    weights: WeightFiles = (),
    set: Settings = (),
) -> str:
    """Return the key under which ``features`` caches the tokens of these images. No network is built.

    The key changes with everything that may change the tokens: the images' bytes and their order, the backbone's weights,
    settings and code, and the versions of its plugin and libraries. The arguments are those of ``features``.

    Raises:
        UsageError: there is no such backbone or setting, or the name means several.
    """
    return token_request(_one(backbone, resolve_device(device), weights, set), stimuli, grid).key


def _one(backbone: str | BackboneCard, device: str, weights: WeightFiles, settings: Settings) -> AnyBackbone:
    registry, name = installed(), backbone if isinstance(backbone, str) else backbone.name
    if isinstance(backbone, BackboneCard):
        registry = registry.with_backbones([as_it_is_now(backbone)])
    given = Assignments(assignment_texts(settings))
    picks = pick_backbones(
        name, registry, given, simulated=True, weights=weight_texts(weights), controls=False, device=device
    )
    if len(picks) != 1:
        raise UsageError(f"{name}: expected one backbone, but this selects {', '.join(p.display for p in picks)}")
    given.check_used(registry)
    return picks[0]


def cache_folders(cache: str | Path | None) -> Folders:
    """Return the folders of a reader: only a cache, in the usual place if None."""
    root = default_cache() if cache is None else Path(cache)
    folders = Folders(root, root, root)
    with storage(folders.features):
        folders.features.mkdir(parents=True, exist_ok=True)
    return folders


def read_tokens(
    pick: AnyBackbone, stimuli: Stimuli, grid: Grid, device: str, folders: Folders, report: Reporter | None = None
) -> Features:
    """The tokens of a backbone for these images; raises PluginError when it cannot give them, DataError without an image."""
    request = token_request(pick, replace(stimuli, open=partial(_opened, stimuli)), grid)
    try:
        return FeatureReader(folders, device, report or Silent()).read(request)
    except BlamedError as error:
        if isinstance(error.cause, BrainbenchError):
            raise error.cause from error
        raise PluginError(f"{pick.display} ({error.plugin.distribution}) failed to give tokens: {error}") from error


def _opened(stimuli: Stimuli, row: int) -> Image.Image:
    try:
        return stimuli.open(row)
    except Exception as error:
        raise DataError(f"image {stimuli.ids[row]} cannot be opened: {describe(error)}") from error
