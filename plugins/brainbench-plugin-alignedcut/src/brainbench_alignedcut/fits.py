"""A fit in a results folder, with its images, masks, tokens and channel align."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from brainbench import DataError, Features, Masks, Stimuli, UsageError, reopen
from brainbench.fitting import AlignedFeatures, ChannelAlign, TokenReader
from brainbench.plot import chosen_voxels
from brainbench_alignedcut.encoder import restore


@dataclass(frozen=True)
class Fit:
    """A fit and its data.

    title: its source; simulated: no brain was measured; backbone: its name, ``A+B`` if joint; stimuli, masks: of the
    subject; align: tokens of the backbone -> the same, aligned; features: the tokens of the stimuli, and features_of those
    of other images; channel: [V, D] weights of the voxels, beta; layer: [V, L] layer selector, None if every voxel reads
    the mean over layers; rois: name -> bool [V].
    """

    title: str
    simulated: bool
    backbone: str
    stimuli: Stimuli
    masks: Masks | None
    features: Features
    features_of: Callable[[Stimuli], Features]
    align: Callable[[Features], Features]
    channel: np.ndarray
    layer: np.ndarray | None
    rois: Mapping[str, np.ndarray]


def find(
    results: Path,
    backbone: str,
    *,
    encoder: str,
    dataset: str | None = None,
    subject: str | None = None,
    seed: int = 0,
    data: Path | None = None,
    weights: tuple[str, ...] = (),
    device: str = "auto",
) -> Fit:
    """Return the one fit that these names select, of encoder ``alignedcut`` or of one with a channel selector."""
    voxels = chosen_voxels(results, backbone, dataset=dataset, encoder=encoder, subject=subject, seed=seed)
    if len(voxels.records) > 1:
        raise UsageError(
            f"{results} has fits of {backbone} to {len(voxels.records)} subjects, each with channels of its own: choose one with "
            "--subject"
        )
    record = voxels.records[0]
    opened = reopen(results / f"{record.key}.json", data=data, weights=weights, device=device)
    if encoder == "alignedcut":
        fit = restore(opened.parameters, opened.features)
        channel = fit.model.state_dict()["regression.weight"].numpy()
        align: Callable[[Features], Features] = fit.aligned  # type: ignore[assignment]
    else:
        channel, stored = voxels.need("channel"), load_file(opened.parameters)
        align = _aligner(stored, opened.parameters)
    return Fit(
        voxels.title,
        voxels.simulated,
        backbone,
        opened.stimuli,
        opened.masks,
        opened.features,
        opened.features_of,
        align,
        channel,
        None if voxels.layer is None else np.asarray(voxels.layer),
        voxels.rois,
    )


def _aligner(stored: Mapping[str, torch.Tensor], path: Path) -> Callable[[Features], Features]:
    """Of the parameters that ``brainbench.fitting.FittedModel`` keeps of a model whose channel align is called ``align``."""
    state = {n.removeprefix("model.align."): t for n, t in stored.items() if n.startswith("model.align.")}
    layers = [state[f"layers.{i}"] for i in range(sum(name.startswith("layers.") for name in state))]
    if not layers:
        raise DataError(f"{path}: holds no channel align; choose a fit of alignedcut or of factortopy")
    channels, dim = [layer.shape[1] for layer in layers], layers[0].shape[0]
    align = ChannelAlign(channels, dim, torch.Generator(), separate="globals.0" in state)
    align.load_state_dict(state)
    return lambda features: AlignedFeatures(features, TokenReader.restored(features.layers, stored), align, "cpu")
