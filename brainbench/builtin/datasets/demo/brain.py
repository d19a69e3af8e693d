"""How a simulated voxel responds: its receptive field and tuning applied to the maps, and noise up to its noise ceiling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brainbench.builtin.datasets.demo.backdrops import SCENE_CLASSES
from brainbench.builtin.datasets.demo.cortex import AREAS, HEMISPHERES, VERTICES, Cortex
from brainbench.builtin.datasets.demo.maps import GRID, HORIZONS, HUES, ORIENTATIONS, WAVELENGTHS

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Maps = Mapping[str, Floats]

# Explainable share of the variance: mean of each area.
CEILINGS = {"V1": 0.60, "V2": 0.55, "V3": 0.50, "hV4": 0.45, "OPA": 0.45, "PPA": 0.45, "EBA": 0.45, "FFA": 0.40}
CEILING_SPREAD, CEILING_RANGE = 0.08, (0.05, 0.85)
# Receptive field sd at the centre of gaze, and its growth with eccentricity; in half widths of the image.
FIELD_SIZES = {"V1": (0.08, 0.10), "V2": (0.11, 0.16), "V3": (0.15, 0.22), "hV4": (0.30, 0.20)}
FIELD_SIZE_HIGH = (0.35, 0.2)
SMOOTHING = 6  # steps of averaging with the neighbours: tuning varies over about a centimetre
SHARED, OWN, PRIVATE = 0.45, 0.35, 0.20  # share of tuning variance common to subjects, the subject's, the voxel's
SHAPE_GAINS = np.array([0.15, 10.0, 10.0])  # hV4: figure, outward and inward bends, against a hue's 1
FIELDS = 24  # tuning dimensions a voxel has


@dataclass(frozen=True)
class Voxels:
    """The voxels of one area, v of them.

    pools: [v, 16 * 16] receptive fields, rows sum to 1; tuning: [v, 24], about standard normal.
    """

    pools: Floats
    tuning: Array


class Brain:
    """One simulated subject. ``signal`` may be called on any number of images at a time."""

    def __init__(self, cortex: Cortex, shared: np.random.Generator, own: np.random.Generator) -> None:
        """shared, own: generators of the tuning all subjects have in common and of this subject's."""
        self.cortex = cortex
        tuning = _tuning(cortex, shared, own)
        pools = _pools(cortex, tuning[:, :2])
        self._voxels = {
            name: Voxels(pools[cortex.area == k], tuning[cortex.area == k, 2:]) for k, name in enumerate(AREAS)
        }

    def signal(self, maps: Maps) -> Floats:
        """Responses without noise [n, V], in arbitrary units."""
        out = np.empty((len(maps["V1"]), len(self.cortex.area)), dtype=np.float32)
        for k, (name, voxels) in enumerate(self._voxels.items()):
            out[:, self.cortex.area == k] = RESPONSES[name](name, maps, voxels)
        return out


def ceilings(cortex: Cortex, rng: np.random.Generator) -> Array:
    """Noise ceiling of every voxel [V]."""
    mean = np.array([CEILINGS[name] for name in AREAS])[cortex.area]
    return np.clip(rng.normal(mean, CEILING_SPREAD), *CEILING_RANGE)


def measure(signal: Floats, ceiling: Array, rng: np.random.Generator) -> Floats:
    """Signal [n, V] and noise -> z-scored responses [n, V] of which exactly ``ceiling`` [V] of the variance is signal.

    Over these n images the noise is made uncorrelated with the signal, so that the stated ceiling is no estimate.
    """
    signal = _standard(signal)
    noise = rng.standard_normal(signal.shape, dtype=np.float32)
    noise -= noise.mean(axis=0)
    noise -= signal * (signal * noise).mean(axis=0)
    share = ceiling.astype(np.float32)
    return _standard(np.sqrt(share) * signal + np.sqrt(1 - share) * _standard(noise))


def _standard(values: NDArray[np.floating]) -> Floats:
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0), dtype=np.float32)


def _tuning(cortex: Cortex, shared: np.random.Generator, own: np.random.Generator) -> Array:
    """[V, 2 + 24] tuning: smooth over the cortex, partly alike in all subjects, partly the voxel's own.

    The common part is drawn for every vertex of the mesh, so that it does not depend on which vertices a subject has.
    """
    side = (cortex.hemisphere == "right").astype(int)
    common = shared.normal(size=(len(HEMISPHERES), VERTICES, 2 + FIELDS))
    parts = [common[side, cortex.vertex], own.normal(size=(len(side), 2 + FIELDS))]
    for _ in range(SMOOTHING):
        parts = [cortex.smoother @ part for part in parts]
    smooth = [part / part.std(axis=0) for part in parts]
    private = own.normal(size=smooth[0].shape)
    return np.asarray(np.sqrt(SHARED) * smooth[0] + np.sqrt(OWN) * smooth[1] + np.sqrt(PRIVATE) * private)


def _pools(cortex: Cortex, scatter: Array) -> Floats:
    """Gaussian receptive fields [V, 16 * 16], rows sum to 1. scatter: [V, 2] standard normal, shifts the centres."""
    name = np.array(AREAS)[cortex.area]
    base, slope = np.array([FIELD_SIZES.get(n, FIELD_SIZE_HIGH) for n in name]).T
    size = base + slope * np.hypot(*cortex.field.T)
    centre = cortex.field + 0.4 * size[:, None] * scatter
    ramp = (np.arange(GRID) + 0.5) / GRID * 2 - 1
    x = np.exp(-0.5 * ((ramp - centre[:, :1]) / size[:, None]) ** 2)
    y = np.exp(-0.5 * ((ramp + centre[:, 1:]) / size[:, None]) ** 2)
    pools = (y[:, :, None] * x[:, None, :]).reshape(len(size), -1)
    return np.asarray(pools / pools.sum(axis=1, keepdims=True), dtype=np.float32)


def _pooled(maps: Floats, pools: Floats) -> Floats:
    """[n, c, 16, 16] seen through [v, 16 * 16] -> [n, c, v]."""
    n, channels = maps.shape[:2]
    return (maps.reshape(n * channels, -1) @ pools.T).reshape(n, channels, -1)


def _oriented(name: str, maps: Maps, voxels: Voxels) -> Floats:
    """V1, V2, V3: a preferred orientation and a preferred wavelength, the latter longer further up."""
    t = voxels.tuning
    preferred = np.arctan2(t[:, 0], t[:, 1]) / 2
    sharp = {"V1": 2.5, "V2": 1.8, "V3": 1.5}[name]
    angles = np.exp(sharp * (np.cos(2 * (ORIENTATIONS - preferred[:, None])) - 1))
    middle = {"V1": 0.6, "V2": 0.9, "V3": 1.2}[name] + 0.6 * t[:, 2]
    scales = np.exp(-0.5 * ((np.arange(len(WAVELENGTHS)) - middle[:, None]) / 0.7) ** 2)
    weights = (scales[:, :, None] * angles[:, None, :]).reshape(len(t), -1).astype(np.float32)
    return np.asarray(np.einsum("ncv,vc->nv", _pooled(maps[name], voxels.pools), weights, optimize=True))


def _contours(name: str, maps: Maps, voxels: Voxels) -> Floats:
    """hV4: a preferred hue, and more or less liking for figure and for contours that bend."""
    pooled = _pooled(maps["hV4"], voxels.pools)
    t = voxels.tuning
    hue = np.arctan2(t[:, 0], t[:, 1])
    tuned = np.exp(1.5 * (np.cos(HUES - hue[:, None]) - 1))
    shape = np.exp(0.5 * t[:, 2:5]) * SHAPE_GAINS
    return np.asarray(np.einsum("ncv,vc->nv", pooled, np.hstack([tuned, shape]).astype(np.float32), optimize=True))


def _places(name: str, maps: Maps, voxels: Voxels) -> Floats:
    """OPA: layout as much as the class of the scene; PPA: mostly the class."""
    horizon, openness, classes = {"OPA": (0.8, 1.2, 0.9), "PPA": (0.5, 0.7, 1.2)}[name]
    gains = np.repeat([horizon, openness, classes], [len(HORIZONS), 3, len(SCENE_CLASSES)])
    return np.asarray(maps["layout"] @ (voxels.tuning[:, : len(gains)] * gains).T.astype(np.float32))


def _category(name: str, maps: Maps, voxels: Voxels) -> Floats:
    """EBA, FFA: presence, place and size of bodies (faces), and a little of the other."""
    own, other = {"EBA": ("body", "face"), "FFA": ("face", "body")}[name]
    return _liking(own, maps, voxels) + np.float32(0.25) * _liking(other, maps, voxels)


def _liking(category: str, maps: Maps, voxels: Voxels) -> Floats:
    """Presence, fit to the preferred sizes, and the share of the receptive field that the category fills (compressed)."""
    t = voxels.tuning
    fit = np.hstack([np.full((len(t), 1), 0.5), 0.5 * np.exp(0.6 * t[:, 3:6])]).astype(np.float32)
    filled = np.sqrt(_pooled(maps[category], voxels.pools)[:, 0])
    return np.asarray(maps[f"{category}_size"] @ fit.T + filled * (4 * np.exp(0.4 * t[:, 6])).astype(np.float32))


RESPONSES: dict[str, Callable[[str, Maps, Voxels], Floats]] = {
    **dict.fromkeys(("V1", "V2", "V3"), _oriented),
    "hV4": _contours,
    **dict.fromkeys(("OPA", "PPA"), _places),
    **dict.fromkeys(("EBA", "FFA"), _category),
}
