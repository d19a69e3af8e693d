"""The pictures of the data files, by the functions of ``brainbench.plot``."""

from __future__ import annotations

import numpy as np

from brainbench.plot import (
    Caption,
    Picture,
    activation_table,
    channel_images,
    embedding_map,
    trajectory_map,
    transition_matrices,
)
from brainbench_alignedcut.activation import BACKGROUND, FOREGROUND
from brainbench_alignedcut.discovery import Concepts, on_one_grid
from brainbench_alignedcut.embedding import Embedding
from brainbench_alignedcut.views import Channels

_SHOWN = 6  # images, and paths of a group
_COLOURS = (
    "Colours are places in the 3-D t-SNE of {count} eigenvectors over all these images, layers and backbones together."
)


def draw_embedding(embedding: Embedding) -> Picture:
    """The first images, and their tokens in every layer."""
    shown = slice(_SHOWN)
    colours = {
        backbone: {
            f"{number + 1}" if len(numbers) > 6 else embedding.layers[layer]: embedding.on_grid(
                embedding.colours, layer
            )[shown]
            for number, layer in enumerate(numbers)
        }
        for backbone, numbers in embedding.stretches().items()
    }
    note = _COLOURS.format(count=len(embedding.values))
    return embedding_map(embedding.pictures[shown], colours, _caption(embedding, note), "spectral embedding")


def draw_trajectories(embedding: Embedding) -> Picture:
    """Draw a path for each of the first images that have a ground: of its central location, through each backbone's layers."""
    stretches = embedding.stretches()
    depth = max(map(len, stretches.values()))
    places = [
        np.concatenate([embedding.plane[embedding.nodes(one[step])] for one in stretches.values() if step < len(one)])
        for step in range(depth)
    ]
    grounds = {"foreground": FOREGROUND, "background": BACKGROUND}
    masked = bool(np.isin(embedding.ground, list(grounds.values())).any())
    paths = {}
    for backbone, layers in stretches.items():
        for name, value in grounds.items() if masked else [("image centre", None)]:
            paths[f"{backbone}, {name}" if len(stretches) > 1 else name] = _paths(embedding, layers, value)
    note = "Dots are tokens in a 2-D t-SNE, coloured by layer; a line is one place of an image, from the first layer to the last."
    return trajectory_map(places, paths, _caption(embedding, note), "trajectories")


def draw_concepts(concepts: Concepts, layer: int) -> Picture:
    """Mean and standard deviation of each concept's activation in the brain's space."""
    kept = np.flatnonzero(concepts.centres[layer] >= 0)
    rows = [f"{number} ({concepts.members[layer, number]})" for number in kept]
    tables = {"mean": concepts.mean[layer, kept], "standard deviation": concepts.sd[layer, kept]}
    notes = "Activation in standard deviations of a voxel's responses; in brackets how many tokens; squares: the concept's colour."
    return activation_table(
        tables,
        rows,
        concepts.rois,
        _caption(concepts, notes),
        f"concepts of {_named(concepts, layer)}",
        swatches=concepts.colours[layer, kept],
        spread=["standard deviation"],
    )


def draw_grounds(concepts: Concepts) -> Picture:
    """Mean activation of figure and ground in every layer."""
    tables = dict(zip(concepts.grounds, concepts.ground_mean, strict=True))
    several = len(set(concepts.backbones)) > 1
    rows = [_named(concepts, layer) if several else name for layer, name in enumerate(concepts.layers)]
    note = "Activation in the brain's space, in standard deviations of a voxel's responses."
    return activation_table(tables, rows, concepts.rois, _caption(concepts, note), "figure and ground")


def draw_transitions(concepts: Concepts, pair: int) -> Picture:
    """Draw transitions from the concepts of one layer to those of the next."""
    first, second = map(int, concepts.pairs[pair])
    tables = dict(zip(concepts.tables, concepts.probability[:, pair], strict=True))
    note = "Rows sum to 1: where the tokens of a concept are, at the same place of the image, one layer later. Grey: no token."
    return transition_matrices(
        tables,
        _caption(concepts, note),
        "transitions",
        before=_named(concepts, first),
        after=_named(concepts, second),
        swatches=(concepts.colours[first], concepts.colours[second]),
    )


def draw_channels(channels: Channels) -> Picture:
    """The first images, and each ROI's three first channels."""
    shown = slice(_SHOWN)
    maps = {roi: array[shown] for roi, array in zip(channels.rois, channels.maps, strict=True)}
    note = "Red, green and blue: the first three principal components of the ROI's channel weights, on one scale over all images."
    caption = Caption(channels.title, channels.simulated, (note, *channels.notes))
    return channel_images(channels.pictures[shown], maps, caption, "top three channels")


def _caption(about: Embedding | Concepts, *notes: str) -> Caption:
    return Caption(about.title, about.simulated, (*notes, *about.notes))


def _named(concepts: Concepts, layer: int) -> str:
    several = len(set(concepts.backbones)) > 1
    return f"{concepts.backbones[layer]} {concepts.layers[layer]}" if several else concepts.layers[layer]


def _paths(embedding: Embedding, layers: list[int], ground: int | None) -> np.ndarray:
    """[n, len(layers), 2] in the plane, of at most _SHOWN images."""
    finest = max(layers, key=lambda layer: int(embedding.grids[layer].prod()))
    height, width = map(int, embedding.grids[finest])
    owners = embedding.on_grid(embedding.ground, finest)
    chosen = np.ones(owners.shape, bool) if ground is None else owners == ground
    planes = [on_one_grid(embedding.on_grid(embedding.plane, layer), (height, width)) for layer in layers]
    paths = []
    for image in np.flatnonzero(chosen.any(axis=(1, 2)))[:_SHOWN]:
        inside = np.argwhere(chosen[image])
        row, column = inside[np.square(inside - inside.mean(axis=0)).sum(axis=1).argmin()]
        paths.append([plane[image, row, column] for plane in planes])
    return np.array(paths, float).reshape(len(paths), len(layers), 2)
