"""``brainbench.predict``: the responses that a fitted brain would give to any image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import load_file

from brainbench.api.features import cache_folders, read_tokens
from brainbench.api.reopen import backbone_settings, finished_fit, reopen
from brainbench.datasets.images import list_images, read_files
from brainbench.datasets.ledger import Ledger
from brainbench.errors import PluginError, StoreError, UsageError
from brainbench.pipeline.encoding import predicted
from brainbench.planning.backbones import pick_backbones
from brainbench.planning.keys import features_key
from brainbench.planning.picks import AnyBackbone
from brainbench.planning.settings import Assignments
from brainbench.plugins import blamed
from brainbench.protocols import Restoring
from brainbench.records import Record
from brainbench.registry import installed
from brainbench.results.arrays import StoredArrays
from brainbench.types import ArrayNames, Stimuli
from brainbench.util.folders import Folders
from brainbench.util.memory import resolve_device
from brainbench.util.progress import Reporter

Images = str | Path | Sequence[str | Path] | Stimuli


def predict(
    record: str | Path,
    images: Images,
    *,
    rois: bool = False,
    data: str | Path | None = None,
    weights: Sequence[str] = (),
    device: str = "auto",
    cache: str | Path | None = None,
    report: Reporter | None = None,
) -> pd.DataFrame:
    """The responses that a fitted encoder predicts for any images, in the units of the measured ones. Nothing is fitted.

    Args:
        record: the fit's JSON file in a results folder.
        images: a folder of png and jpeg files, read in the order of their names; one or more files; or ``Stimuli``.
        rois: give the mean over the voxels of each ROI instead of every voxel.
        data: where the fit's dataset lies, as in ``--data``; only for an encoder that reads the fitted images again (ridge).
        weights: ``NAME=FILE`` of a backbone that ran with a checkpoint of yours, as in ``--weights``.
        device: as of ``features``.
        cache: as of ``features``.
        report: hears how far it is; nothing is printed without one.

    Returns:
        One row an image, named by its file; float32. Columns are voxels from 0, in the order of the dataset's responses, or
        the names of the ROIs.

    Raises:
        StoreError: the record, or what was stored beside it, is gone or damaged.
        UsageError: it is not of a fit, the fit has no ROIs, its backbone or encoder is not installed, or is not the one it
            was made with.
        DataError: there are no images, or one cannot be decoded.
        PluginError: the encoder cannot predict from its parameters, or the backbone cannot give tokens.
    """
    path = Path(record)
    found, parameters = finished_fit(path)
    assert found.encoder is not None
    masks = _roi_masks(path, found) if rois else None
    entry = installed().encoders.get(found.encoder.name)
    # None: left to the encoder, as it is by default.
    settings = {name: value for name, value in found.encoder.settings.items() if value is not None}
    with blamed(entry.plugin, "load"):
        encoder = entry.card.loader(settings=entry.card.resolve_settings(settings))
    if not isinstance(encoder, Restoring):
        raise PluginError(
            f"{entry.plugin}: {entry.name} cannot predict from a record, because it has no restore(); ask its author for one"
        )
    where, folders = resolve_device(device), cache_folders(cache)
    pick = _backbone(path, found, weights, where)
    stimuli = images if isinstance(images, Stimuli) else _stimuli(images, folders)
    features = read_tokens(pick, stimuli, found.grid, where, folders, report)  # type: ignore[arg-type]
    fitted_to = features
    if entry.card.rereads:
        fitted_to = reopen(path, data=data, weights=weights, device=device, cache=cache).features
    with blamed(entry.plugin, "restore"):
        fitted = encoder.restore(load_file(parameters), fitted_to, where)
    with blamed(entry.plugin, "predict"):
        values = predicted(fitted, features, np.arange(len(stimuli)), found.dataset.voxels, entry.name)
    index = pd.Index(stimuli.ids, name="image")
    if masks is None:
        return pd.DataFrame(values, index=index)
    return pd.DataFrame({name: values[:, mask].mean(axis=1) for name, mask in masks.items()}, index=index)


def _roi_masks(path: Path, record: Record) -> dict[str, np.ndarray]:
    if not record.dataset.rois:
        raise UsageError(f"{path}: its dataset has no ROIs; leave --rois out")
    stored = StoredArrays(path.parent, record)
    names = {name: ArrayNames.roi(name) for name, voxels in record.dataset.rois.items() if voxels}
    if lost := [name for name, array in names.items() if array not in stored]:
        raise StoreError(
            f"{path}: the ROI masks stored beside it are gone or damaged ({', '.join(lost)}); run it again"
        )
    return {name: stored[array] for name, array in names.items()}


def _backbone(path: Path, record: Record, weights: Sequence[str], device: str) -> AnyBackbone:
    """Return the backbone of a fit; raises UsageError if it would not give the tokens that the fit read."""
    picks = pick_backbones(
        record.backbone.name,
        installed(),
        Assignments(backbone_settings(record)),
        simulated=record.dataset.simulated,
        weights=tuple(weights),
        controls=False,
        device=device,
    )
    same = [
        pick
        for pick in picks
        if features_key(pick.facts, record.dataset.stimuli_key, record.grid)[0] == record.features_key
    ]
    if not same:
        raise UsageError(
            f"{path}: the installed {record.backbone.name} is not the one it was fitted to: its weights ("
            f"{record.backbone.weights}), its settings or a version are others; give its --weights, or install "
            f"{record.backbone.plugin} and what else versions in the record says"
        )
    return same[0]


def _stimuli(images: str | Path | Sequence[str | Path], folders: Folders) -> Stimuli:
    paths = [Path(images)] if isinstance(images, str | Path) else [Path(image) for image in images]
    if len(paths) == 1 and paths[0].is_dir():
        paths = [paths[0] / name for name in list_images(paths[0])]
    if lost := [path for path in paths if not path.is_file()]:
        raise UsageError(f"{lost[0]}: no such image; give a folder of png and jpeg files, or files")
    if not paths:
        raise UsageError("no images: give a folder of png and jpeg files, or files")
    ledger = Ledger(folders.cache, paths[0].parent)
    read = read_files(tuple(paths), ledger)
    ledger.save()
    names = [path.name for path in paths]
    ids = names if len(set(names)) == len(names) else [str(path) for path in paths]
    return Stimuli(tuple(ids), read.digests, read.open)
