"""The data file ``concepts``: figure and ground, concepts, and transitions from layer to layer in an embedding."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from brainbench_alignedcut.activation import BACKGROUND, FOREGROUND, moments
from brainbench_alignedcut.concepts import find_balls, nearest_concept, transitions
from brainbench_alignedcut.embedding import Embedding
from brainbench_alignedcut.files import DataFile

Space = Literal["colours", "plane", "vectors"]
GROUNDS = ("background", "foreground")


@dataclass(frozen=True)
class Concepts(DataFile):
    """K concepts in each of L layers, and transitions over T pairs of neighbouring layers of one backbone.

    title, simulated, layers, backbones, rois: as of the embedding; space: in which array of the embedding they were looked for;
    centres: [L, K] numbers of the nodes they are centred on, -1 where a layer has fewer concepts; radius: [L], of their balls;
    members: [L, K] tokens inside; colours: uint8 [L, K, 3], of the centres; mean, sd: [L, K, R] activation in the brain's space
    of the tokens inside; grounds: G of background and foreground, none without masks; ground_members: [G, L]; ground_mean,
    ground_sd: [G, L, R] the same of all tokens of a ground; pairs: [T, 2] numbers of the layers; tables: "all" and the
    grounds; probability: [1 + G, T, K, K] that a token of the row's concept is, a layer later, of the column's, NaN without any.
    """

    title: str
    simulated: bool
    layers: tuple[str, ...]
    backbones: tuple[str, ...]
    rois: tuple[str, ...]
    space: str
    centres: np.ndarray
    radius: np.ndarray
    members: np.ndarray
    colours: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    grounds: tuple[str, ...]
    ground_members: np.ndarray
    ground_mean: np.ndarray
    ground_sd: np.ndarray
    pairs: np.ndarray
    tables: tuple[str, ...]
    probability: np.ndarray
    notes: tuple[str, ...] = ()

    @classmethod
    def shapes(cls) -> dict[str, tuple[int | str, ...]]:
        """Name of an array -> its lengths."""
        return {
            "centres": ("layers", "K"),
            "radius": ("layers",),
            "members": ("layers", "K"),
            "colours": ("layers", "K", 3),
            "mean": ("layers", "K", "rois"),
            "sd": ("layers", "K", "rois"),
            "ground_members": ("grounds", "layers"),
            "ground_mean": ("grounds", "layers", "rois"),
            "ground_sd": ("grounds", "layers", "rois"),
            "pairs": ("T", 2),
            "probability": ("tables", "T", "K", "K"),
        }


def discover(embedding: Embedding, count: int = 5, space: Space = "colours") -> Concepts:
    """Find ``count`` concepts in every layer (5 in Figure 10) and follow tokens from concept to concept.

    space: the array of the embedding in which distances are taken; the colours are the 3-D spectral t-SNE of the paper. A token
    is of the nearest concept of its layer, for the transitions. Where a layer's grid is finer than the one before, several of
    its places follow one. Raises DataError for less than one concept.
    """
    points = np.asarray(getattr(embedding, space), np.float64)
    layers = range(len(embedding.layers))
    balls = [find_balls(points[nodes], embedding.activation[nodes], count) for nodes in map(embedding.nodes, layers)]
    centres = _padded([ball.centres + embedding.nodes(layer).start for layer, ball in enumerate(balls)], count, -1)
    notes = [*embedding.notes]
    if fewer := [embedding.layers[layer] for layer, row in enumerate(centres) if row.min() < 0]:
        notes.append(f"Fewer than {count} concepts in {', '.join(fewer)}: there are no more different tokens.")
    grounds = {
        name: value for name, value in zip(GROUNDS, (BACKGROUND, FOREGROUND), strict=True) if value in embedding.ground
    }
    found = [
        [
            moments(embedding.activation[nodes], embedding.ground[nodes] == value)
            for nodes in map(embedding.nodes, layers)
        ]
        for value in grounds.values()
    ]
    shape, rois = (len(grounds), len(layers)), len(embedding.rois)
    pairs = [pair for numbers in embedding.stretches().values() for pair in pairwise(numbers)]
    return Concepts(
        title=embedding.title,
        simulated=embedding.simulated,
        layers=embedding.layers,
        backbones=embedding.backbones,
        rois=embedding.rois,
        space=space,
        centres=centres,
        radius=np.array([ball.radius for ball in balls]),
        members=_padded([ball.members for ball in balls], count, 0),
        colours=np.where(centres[..., None] < 0, 0, embedding.colours[centres]).astype(np.uint8),
        mean=_padded([ball.mean for ball in balls], count, np.nan),
        sd=_padded([ball.sd for ball in balls], count, np.nan),
        grounds=tuple(grounds),
        ground_members=np.array([[one.count for one in row] for row in found], int).reshape(shape),
        ground_mean=np.array([[one.mean for one in row] for row in found], np.float32).reshape(*shape, rois),
        ground_sd=np.array([[one.sd for one in row] for row in found], np.float32).reshape(*shape, rois),
        pairs=np.array(pairs, int).reshape(len(pairs), 2),
        tables=("all", *grounds),
        probability=_probabilities(embedding, points, centres, pairs, [None, *grounds.values()]),
        notes=tuple(notes),
    )


def on_one_grid(labels: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Resample [n, h, w, ...] to [n, *grid, ...]: every cell takes the value at its centre."""
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(grid, labels.shape[1:3], strict=True)
    )
    return labels[:, rows[:, None], columns]


def _probabilities(
    embedding: Embedding,
    points: np.ndarray,
    centres: np.ndarray,
    pairs: list[tuple[int, int]],
    grounds: list[int | None],
) -> np.ndarray:
    count = centres.shape[1]
    labels = [_labels(embedding, points, layer, row) for layer, row in enumerate(centres)]
    result = np.full((len(grounds), len(pairs), count, count), np.nan)
    for number, (first, second) in enumerate(pairs):
        grid = max(labels[first].shape[1:], labels[second].shape[1:], key=lambda shape: int(np.prod(shape)))
        before, after = on_one_grid(labels[first], grid), on_one_grid(labels[second], grid)
        finer = first if labels[first].shape[1:] == grid else second
        ground = embedding.on_grid(embedding.ground, finer)
        for table, value in enumerate(grounds):
            chosen = np.ones(ground.shape, bool) if value is None else ground == value
            result[table, number] = transitions(before[chosen], after[chosen], (count, count))
    return result


def _labels(embedding: Embedding, points: np.ndarray, layer: int, centres: np.ndarray) -> np.ndarray:
    """Return the concept of every token of a layer, [n, h, w]."""
    tokens = embedding.on_grid(points, layer)
    found = nearest_concept(tokens.reshape(-1, points.shape[1]), points[centres[centres >= 0]])
    return found.reshape(tokens.shape[:3])


def _padded(rows: list[np.ndarray], count: int, value: float) -> np.ndarray:
    """Arrays [k, ...] of up to ``count`` rows -> [len(rows), count, ...]."""
    made = np.full((len(rows), count, *rows[0].shape[1:]), value, rows[0].dtype)
    for number, row in enumerate(rows):
        made[number, : len(row)] = row
    return made
