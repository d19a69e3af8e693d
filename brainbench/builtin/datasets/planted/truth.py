"""What planted voxels read, and what they respond: equation 1 of the paper, in plain numpy, with nothing learned.

It shares no code with the encoders, so that neither can hide a mistake of the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from brainbench import Features, Selectors, UsageError
from brainbench.builtin.datasets.demo.cortex import AREAS, Cortex

Array = NDArray[np.float64]

# Where each area reads, between the first layer (0) and the last (1); V1 to EBA as in section 4.3.
HEIGHTS = {"V1": 0.0, "V2": 1 / 3, "V3": 1 / 3, "hV4": 1 / 2, "OPA": 2 / 3, "PPA": 5 / 6, "EBA": 1.0, "FFA": 1.0}
EDGE = 0.08  # how far from the first and last layer the extremes stay, so that their weights are not cut off
LAYER_SD = 0.8  # layers
SMOOTHING = 8  # steps of averaging with the neighbours
SPACE_SMOOTHING = 30  # the same of the maps of the visual field, which vary over centimetres
REACH = 0.85  # how far from the centre of the image the outermost voxels look
SCALES = (0.1, 0.8)  # share of the global token at the bottom and at the top of the hierarchy
DIM = 16  # channels that voxels of all layers have in common
COMPONENTS, PRIVATE = 12, 0.3  # smooth maps over the cortex that make up the channel weights; the voxel's own part


@dataclass(frozen=True)
class Truth:
    """layer: [V, L]; space: [V, 2]; scale: [V]; channel: [V, DIM]; align: per layer [C_l, DIM]."""

    layer: Array
    space: Array
    scale: Array
    channel: Array
    align: tuple[Array, ...]

    def of(self, voxels: NDArray[np.int64]) -> Truth:
        """The same for some of the voxels."""
        return replace(self, **{name: getattr(self, name)[voxels] for name in ("layer", "space", "scale", "channel")})

    def selectors(self, layers: tuple[str, ...]) -> Selectors:
        """As an encoder would report them."""
        found = {"layer": self.layer, "space": self.space, "scale": self.scale, "channel": self.channel}
        return Selectors(layers, **{name: array.astype(np.float32) for name, array in found.items()})


def plant(
    cortex: Cortex, channels: tuple[int, ...], rng: np.random.Generator, *, flat: bool = False, shared: bool = False
) -> Truth:
    """Draw what every voxel of ``cortex`` reads of a backbone with these channels a layer.

    Layers: a bell of LAYER_SD layers around the voxel's height, which follows the area; ``flat``: around the middle for all.
    Space: smooth maps of the half field on the other side, see ``_half_fields``. Scale: more global further up. Channels:
    COMPONENTS smooth maps and a private part.
    Align: random directions of its own in every layer, so that what a voxel likes in one layer says nothing of the others;
    ``shared``: the same directions in all layers. In a residual stream what lies in them hardly changes from one layer to
    the next, and no encoder can then tell the layers apart.

    Raises UsageError for ``shared`` when layers differ in width.
    """
    if shared and len(set(channels)) > 1:
        raise UsageError(
            f"planted.align=shared: layers of one width are needed, these have {', '.join(map(str, channels))}; use own"
        )
    height = (
        np.full(len(cortex.area), 0.5)
        if flat
        else _smoothed(cortex, np.array([HEIGHTS[a] for a in AREAS])[cortex.area])
    )
    centre = (EDGE + (1 - 2 * EDGE) * height) * (len(channels) - 1)
    layer = np.exp(-0.5 * ((np.arange(len(channels)) - centre[:, None]) / LAYER_SD) ** 2)
    space = _half_fields(cortex, rng)
    maps = _smoothed(cortex, rng.normal(size=(len(height), COMPONENTS)))
    channel = (maps / maps.std(axis=0)) @ rng.normal(size=(COMPONENTS, DIM)) / np.sqrt(COMPONENTS)
    private = PRIVATE * rng.normal(size=channel.shape)
    draws = tuple(rng.normal(size=(c, DIM)) / np.sqrt(c) for c in channels)
    return Truth(
        layer=layer / layer.sum(axis=1, keepdims=True),
        space=space,
        scale=SCALES[0] + (SCALES[1] - SCALES[0]) * height,
        channel=channel + private,
        align=(draws[0],) * len(channels) if shared else draws,
    )


def signal(truth: Truth, features: Features) -> NDArray[np.float32]:
    """Responses without noise [S, V], in arbitrary units, to all stimuli of ``features``.

    Tokens are standardised by channel, local and global ones apart. Places outside the image hold nothing.
    """
    total = np.zeros((len(features), len(truth.scale)), dtype=np.float32)
    rows = slice(0, len(features))
    for index, align in enumerate(truth.align):
        local = _standard(np.asarray(features.local_tokens(index, rows), dtype=np.float32), (0, 2, 3))
        glob = _standard(np.asarray(features.global_tokens(index, rows), dtype=np.float32), (0,))
        reading = _bilinear(features.grids[index], truth.space) * (1 - truth.scale[:, None])
        seen = np.einsum("sc,cd->sd", glob, align.astype(np.float32))
        aligned = np.einsum("schw,cd->dshw", local, align.astype(np.float32), optimize=True).reshape(
            DIM, len(total), -1
        )
        weights = (truth.channel * truth.layer[:, [index]]).astype(np.float32)
        for d in range(DIM):
            mixed = aligned[d] @ reading.T.astype(np.float32) + np.outer(seen[:, d], truth.scale).astype(np.float32)
            total += mixed * weights[:, d]
    return total


def _half_fields(cortex: Cortex, rng: np.random.Generator) -> Array:
    """Where voxels look [V, 2]: in each hemisphere a smooth map that fills the half field on the other side evenly.

    The demo's receptive fields will not do: half of its voxels look at one point, so that a fit that knows the area and the
    hemisphere of a voxel, and nothing of where it looks, would be off by 0.07 only.
    """
    maps = _smoothed(cortex, rng.normal(size=(len(cortex.area), 2)), SPACE_SMOOTHING)
    space = np.empty_like(maps)
    for name, side in (("left", 1.0), ("right", -1.0)):
        voxels = cortex.hemisphere == name
        even = (rankdata(maps[voxels], axis=0) - 0.5) / voxels.sum()
        space[voxels] = even * [side, 2] - [0, 1]
    return REACH * space


def _smoothed(cortex: Cortex, values: Array, steps: int = SMOOTHING) -> Array:
    for _ in range(steps):
        values = cortex.smoother @ values
    return np.asarray(values)


def _standard(tokens: NDArray[np.float32], axes: tuple[int, ...]) -> NDArray[np.float32]:
    sd = tokens.std(axis=axes, keepdims=True)
    return np.asarray((tokens - tokens.mean(axis=axes, keepdims=True)) / np.where(sd > 0, sd, 1), dtype=np.float32)


def _bilinear(grid: tuple[int, int], space: Array) -> Array:
    """How much of each place a voxel reads, [V, H * W]: triangles one place wide around its own, cut at the edge."""
    (height, width), (x, y) = grid, space.T
    across = np.clip(1 - np.abs(((x[:, None] + 1) * width - 1) / 2 - np.arange(width)), 0, None)
    down = np.clip(1 - np.abs(((y[:, None] + 1) * height - 1) / 2 - np.arange(height)), 0, None)
    return np.asarray((down[:, :, None] * across[:, None, :]).reshape(len(space), -1))
