"""What repeated presentations say of the noise: the noise ceiling of NSD (Allen et al. 2022; NSD data manual, "Noise ceiling")."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from brainbench.datasets.sources import Source
from brainbench.errors import DataError

_HELD = 2**26  # means held at once, 512 MiB as float64


def ceiling_of_ncsnr(ncsnr: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """Explainable share of the variance [V], 0..1: ncsnr^2 / (ncsnr^2 + mean(1 / n)), NaN where ncsnr is.

    ncsnr: [V], sd of the signal over sd of the noise of one trial; trials: n of every test row, how many trials were averaged.
    Raises DataError for a negative ncsnr and for a row of no trial.
    """
    if (ncsnr < 0).any():
        raise DataError(f"ncsnr is {np.nanmin(ncsnr):g} in a voxel: a ratio of standard deviations is never negative")
    if not len(trials) or (trials < 1).any():
        raise DataError("a noise ceiling is about test rows that are the mean of one trial or more each")
    with np.errstate(divide="ignore"):
        return np.asarray(1 / (1 + np.mean(1 / trials) / np.square(ncsnr, dtype=np.float64)))


def ncsnr_of_repeats(source: Source, rows: np.ndarray, stimulus: np.ndarray) -> np.ndarray:
    """Noise-ceiling signal-to-noise ratio [V] float64, estimated from stimuli that were shown more than once.

    rows: which of the source; stimulus: [R] of every row of the source. Noise variance: the mean, over the repeated stimuli, of
    the variance over repeats (n - 1 in the denominator). Signal variance: that of all these rows less the noise variance, or 0.
    Their ratio's root is inf where nothing but signal is, 0 in a constant voxel, NaN in one with NaN. Means of about 512 MiB are
    held at once; what has more is read a part of the stimuli at a time. Raises DataError without a repeated stimulus.
    """
    shown, count = np.unique(stimulus[rows], return_counts=True)
    if not (count > 1).any():
        raise DataError(f"{source.where}: no stimulus was shown twice, so there is nothing to estimate a ceiling from")
    voxels = source.shape[1]
    total, noise = _Spread(voxels), np.zeros(voxels)
    with np.errstate(invalid="ignore"):
        for part in _parts(len(shown), voxels):
            mean, seen = np.zeros((len(shown[part]), voxels)), np.zeros(len(shown[part]), int)
            for some, values in source.blocks(rows[np.isin(stimulus[rows], shown[part])]):
                total.add(values)
                place = np.searchsorted(shown[part], stimulus[some])
                for index, value in zip(place.tolist(), values, strict=True):
                    seen[index] += 1
                    if seen[index] == 1:
                        mean[index] = value
                        continue
                    # Welford's update: what this showing adds to the squares about the mean, by its share in the variance.
                    step = value - mean[index]
                    mean[index] += step / seen[index]
                    np.square(step, out=step)
                    step *= (seen[index] - 1) / seen[index] / (count[part][index] - 1)
                    noise += step
        noise /= (count > 1).sum()
        signal = np.maximum(total.variance - noise, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((signal == 0) & (noise == 0), 0.0, np.sqrt(signal / noise))


class _Spread:
    """The variance of rows that come in blocks, summed as distances from the first row."""

    def __init__(self, voxels: int) -> None:
        self._origin: np.ndarray | None = None
        self._count, self._sum, self._squares = 0, np.zeros(voxels), np.zeros(voxels)

    def add(self, values: np.ndarray) -> None:
        if self._origin is None:
            self._origin = values[0].astype(np.float64)
        distance = values - self._origin
        self._count += len(values)
        self._sum += distance.sum(axis=0)
        self._squares += np.square(distance, out=distance).sum(axis=0)

    @property
    def variance(self) -> np.ndarray:
        return (self._squares - np.square(self._sum) / self._count) / (self._count - 1)


def _parts(stimuli: int, voxels: int) -> Iterator[slice]:
    step = max(1, _HELD // voxels)
    return (slice(start, start + step) for start in range(0, stimuli, step))
