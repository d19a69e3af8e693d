"""A fit -> the data file ``embedding``: its aligned tokens, their positions in the spectral embedding, and their activation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from brainbench import DataError, Features, Masks, Stimuli, UsageError, file_sha256
from brainbench.datasets import list_images, open_rgb
from brainbench_alignedcut.activation import NEITHER, brain_activation, ground_of, roi_weights
from brainbench_alignedcut.colours import colours, plane
from brainbench_alignedcut.embedding import Embedding
from brainbench_alignedcut.fits import Fit
from brainbench_alignedcut.spectral import embed

SIDE = 128  # pixels of the small copies of images
_CHUNK = 64


def chosen_rows(stimuli: Stimuli, count: int) -> np.ndarray:
    """Row numbers of ``count`` stimuli spread evenly over all of them, or of all if there are no more."""
    if count < 1:
        raise UsageError(f"--images {count}: at least 1")
    return np.unique(np.linspace(0, len(stimuli) - 1, min(count, len(stimuli))).round().astype(int))


def from_folder(folder: Path) -> Stimuli:
    """The png and jpeg images of a folder, by name. Raises DataError for one without any."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give one that contains png or jpeg files")
    paths = [folder / name for name in list_images(folder)]
    return Stimuli(tuple(path.name for path in paths), tuple(map(file_sha256, paths)), lambda row: open_rgb(paths[row]))


def gather(fit: Fit, rows: np.ndarray, *, count: int = 20, sample: int = 5000, seed: int = 0) -> Embedding:
    """Embed the aligned local tokens of the images ``rows``, of all layers together, by their leading ``count`` eigenvectors.

    The global token is of no place in the image and left out. sample: nodes that are solved, see ``spectral.embed``.
    """
    aligned = fit.align(fit.features)
    names, weights = roi_weights(fit.channel, fit.rois)
    nodes, activation = _nodes(aligned, rows, weights)
    spectrum = embed(nodes, count, sample=sample, seed=seed)
    joint = "+" in fit.backbone
    parts = [name.split(":", 1) if joint else (fit.backbone, name) for name in aligned.layers]
    return Embedding(
        title=fit.title,
        simulated=fit.simulated,
        layers=tuple(layer for _, layer in parts),
        backbones=tuple(backbone for backbone, _ in parts),
        grids=np.array(aligned.grids),
        images=tuple(fit.stimuli.ids[row] for row in rows),
        pictures=small_copies(fit.stimuli, rows),
        vectors=spectrum.vectors,
        values=spectrum.values,
        colours=colours(spectrum.vectors, seed=seed),
        plane=plane(spectrum.vectors, seed=seed),
        ground=_ground(aligned, fit.masks, rows),
        rois=names,
        activation=activation,
        notes=tuple(f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in spectrum.notes),
    )


def small_copies(stimuli: Stimuli, rows: np.ndarray) -> np.ndarray:
    """uint8 [n, SIDE, SIDE, 3]: the images as a network sees them, brought to a square."""
    size = (SIDE, SIDE)
    return np.stack(
        [np.asarray(stimuli.open(int(row)).convert("RGB").resize(size, Image.Resampling.BICUBIC)) for row in rows]
    )


def _nodes(aligned: Features, rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(nodes float16 [M, D], activation float32 [M, R]), layer by layer, image by image, place by place."""
    places = [height * width for height, width in aligned.grids]
    nodes = np.empty((len(rows) * sum(places), aligned.channels[0]), np.float16)
    activation = np.empty((len(nodes), weights.shape[1]), np.float32)
    start = 0
    for layer in range(len(places)):
        for chunk in np.split(rows, range(_CHUNK, len(rows), _CHUNK)):
            tokens = aligned.local_tokens(layer, chunk)
            flat = tokens.reshape(*tokens.shape[:2], -1).swapaxes(1, 2).reshape(-1, tokens.shape[1])
            block = slice(start, start + len(flat))
            nodes[block], activation[block] = flat, brain_activation(flat, weights)
            start = block.stop
    return nodes, activation


def _ground(aligned: Features, masks: Masks | None, rows: np.ndarray) -> np.ndarray:
    if masks is None:
        return np.full(len(rows) * sum(height * width for height, width in aligned.grids), NEITHER, np.int8)
    loaded = [masks.load(int(row)) for row in rows]
    return np.concatenate([ground_of(mask, grid).ravel() for grid in aligned.grids for mask in loaded])
