"""Segmentation by the clusters of a layer's tokens, compared with noise (AlignedCut, section 3.1 and C.4)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from brainbench import DataError, Features, MetricInputs, Score
from brainbench.datasets import VOID
from brainbench_alignedcut.labels import class_names, token_labels
from brainbench_alignedcut.segmentation import Segmentation, across_halves, segment

_BLOCK = 64  # images read at a time
# Streams of random numbers; the seed alone is that of the spectral embedding's sample.
_IMAGES, _HALVES, _NOISE = 1, 2, 3


def load(*, settings: Mapping[str, Any], aligned: bool) -> Miou:
    """The metric of card ``miou`` or, with the tokens after channel align, ``miou/aligned``."""
    return Miou(aligned=aligned, **settings)


class Miou:
    """Mean intersection over union of the true classes and those read off the spectral clusters of every layer.

    One graph of all images' local tokens of a layer, its leading ``eigenvectors`` (``spectral.embed``), and from them the
    class of every token: by ``oracle.by_centres``, the paper's way, and by ``oracle.by_clusters``, without an oracle but for
    which cluster is called what. The paper does not say at which resolution it scores; here every token has one true
    class (``labels.token_labels``), so perfect features give exactly 1. The global token is left out.

    Of more than ``images`` images, so many are drawn with the job's seed. Memory in bytes, for M tokens of a layer of float16:
    4 M C_l to read them, 4 M ``eigenvectors`` a few times over, and what ``embed`` takes for ``sample`` nodes.
    """

    def __init__(
        self, *, aligned: bool, images: int, eigenvectors: int, sample: int, neighbours: int, classes: str
    ) -> None:
        self.aligned, self.images, self.figure = aligned, images, classes == "figure"
        self.embedding: dict[str, Any] = {
            "eigenvectors": eigenvectors,
            "sample": sample,
            "neighbours": neighbours or None,
        }

    def score(self, inputs: MetricInputs) -> Score:
        """Figures: best, clusters, chance, clusters_chance; then ``layer:NAME`` and ``clusters:NAME`` for every layer.

        best, clusters: of the layer that is best on one half of the images, the figure on the other half; mean of both ways.
        Graph, centres, threshold and clusters are those of all images: it is the choice of the layer that is kept apart.
        With one image there is neither. A layer on whose grid the masks show less than two classes has no figure.
        chance, clusters_chance: over all images, of Gaussian noise in the place of the tokens of
        the layer with the largest grid, the widest if there are several.

        Raises DataError naming the layer whose tokens are not finite, or the image whose mask is none.
        """
        features, masks, seed = inputs.aligned if self.aligned else inputs.features, inputs.masks, inputs.seed
        assert features is not None
        assert masks is not None
        rows = _draw(len(features), self.images, seed)
        truths = {grid: token_labels(masks, rows, grid, figure=self.figure) for grid in dict.fromkeys(features.grids)}
        names = class_names(masks, figure=self.figure)
        plain = {grid: said for grid, truth in truths.items() if (said := _plain(truth, names))}
        if len(plain) == len(truths):
            return Score(not_applicable=f"the masks show {next(iter(plain.values()))}: nothing to tell apart")
        truths = {grid: truth for grid, truth in truths.items() if grid not in plain}
        second = _second_half(len(rows), seed)
        found = {
            name: self._layer(features, index, rows, truths[grid], second, seed)
            for index, (name, grid) in enumerate(zip(features.layers, features.grids, strict=True))
            if grid in truths
        }
        chance = self._chance(features, truths, second, seed)
        return Score(
            values=_figures(found, chance),
            notes=(
                *self._notes(len(rows), len(features), seed, layers=len(found)),
                *_absent(truths.values(), names),
                *_too_coarse(features, plain),
                *_by_layer(found),
            ),
        )

    def _layer(
        self, features: Features, layer: int, rows: np.ndarray, truth: np.ndarray, second: np.ndarray, seed: int
    ) -> Segmentation:
        try:
            return segment(_nodes(features, layer, rows), truth, second, seed=seed, **self.embedding)
        except DataError as error:
            raise DataError(f"layer {features.layers[layer]}: {error}") from error

    def _chance(
        self, features: Features, truths: Mapping[tuple[int, int], np.ndarray], second: np.ndarray, seed: int
    ) -> Segmentation:
        grid, channels = max(
            ((grid, width) for grid, width in zip(features.grids, features.channels, strict=True) if grid in truths),
            key=lambda layer: (math.prod(layer[0]), layer[1]),
        )
        truth = truths[grid]
        noise = np.random.default_rng((seed, _NOISE)).standard_normal((truth.size, channels), np.float32)
        return segment(noise, truth, second, seed=seed, **self.embedding)

    def _notes(self, images: int, total: int, seed: int, *, layers: int) -> list[str]:
        notes = []
        if images == 1:
            notes.append("one image has no halves: no best layer is chosen")
        elif layers > 1:
            notes.append(
                "the best layer is chosen on one half of the images and scored on the other, both ways; the paper scores it on "
                "the images that it is chosen on, which is optimistic"
            )
        if images < total:
            name = "miou/aligned" if self.aligned else "miou"
            notes.append(f"on {images} of {total} images, drawn with seed {seed}; {name}.images takes more")
        return notes


def _figures(found: Mapping[str, Segmentation], chance: Segmentation) -> dict[str, float]:
    best = {
        name: across_halves([layer.halves(kind) for layer in found.values()])
        for name, kind in (("best", "oracle"), ("clusters", "clusters"))
    }
    return (
        {name: figure for name, figure in best.items() if figure is not None}
        | {"chance": chance.miou("oracle"), "clusters_chance": chance.miou("clusters")}
        | {f"layer:{name}": layer.miou("oracle") for name, layer in found.items()}
        | {f"clusters:{name}": layer.miou("clusters") for name, layer in found.items()}
    )


def _draw(total: int, wanted: int, seed: int) -> np.ndarray:
    """Row numbers of at most ``wanted`` of ``total`` images, ascending."""
    if total <= wanted:
        return np.arange(total)
    return np.sort(np.random.default_rng((seed, _IMAGES)).choice(total, wanted, replace=False))


def _second_half(images: int, seed: int) -> np.ndarray:
    """Return which images are in the second half, bool [n]; an odd one is in the first half."""
    return np.random.default_rng((seed, _HALVES)).permutation(images) >= (images + 1) // 2


def _nodes(features: Features, layer: int, rows: np.ndarray) -> np.ndarray:
    """[n x H x W, C_l] in the store's type, image by image, the tokens of each row by row."""
    channels = features.channels[layer]
    blocks = (rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK))
    return np.concatenate(
        [features.local_tokens(layer, some).transpose(0, 2, 3, 1).reshape(-1, channels) for some in blocks]
    )


def _plain(truth: np.ndarray, names: Sequence[str]) -> str | None:
    """Say which classes the tokens of a grid have, if fewer than two."""
    there = [names[value] for value in np.unique(truth) if value != VOID]
    if len(there) > 1:
        return None
    return f"{there[0]} alone" if there else "no class"


def _too_coarse(features: Features, plain: Mapping[tuple[int, int], str]) -> list[str]:
    """Return a note for each grid on which the masks have fewer than two classes, with its layers, which have no score."""
    return [
        f"left out, since on {grid[0]} x {grid[1]} tokens the masks show {said}: "
        + ", ".join(name for name, other in zip(features.layers, features.grids, strict=True) if other == grid)
        for grid, said in plain.items()
    ]


def _absent(truths: Iterable[np.ndarray], names: Sequence[str]) -> list[str]:
    there = {value for truth in truths for value in np.unique(truth).tolist()}
    missing = [name for value, name in enumerate(names) if value not in there]
    return [f"in no mask, and left out of the mean: {', '.join(missing)}"] if missing else []


def _by_layer(found: Mapping[str, Segmentation]) -> list[str]:
    """Return the notes of the spectral embedding, each with its layers."""
    said: dict[str, list[str]] = {}
    for name, layer in found.items():
        for note in layer.notes:
            said.setdefault(note, []).append(name)
    return [f"{note} ({', '.join(names)})" for note, names in said.items()]
