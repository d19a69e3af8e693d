"""How often do the intervals of a board cover the truth, and how often is a real difference found? R2 itself, simulated boards.

python benchmarks/interval_coverage.py [--boards 1000] [--pairs 100]

Coverage: voxels respond to five hidden features of the images with noise; the network knows the features, and its gain differs
from subject to subject. R2 over endlessly many images and subjects is known in closed form. Pairs: two networks on 1,000 images
and 2,000 voxels that err alike and differ by a planted 0.01 of R2, or by nothing.
"""

from __future__ import annotations

import argparse

import numpy as np

from brainbench.builtin.metrics.r2 import resampled_r2, voxel_r2
from brainbench.leaderboard.intervals import Sample, Scores, estimate, estimate_beyond
from brainbench.metrics.bootstrap import DRAWS, resamples

VOXELS, FEATURES, GAIN = 40, 5, 0.7
# subjects, images, whether subjects see the same images, sd of the gain over subjects, heavy tails, trials of each image. Without a
# spread of the gain the interval is for these subjects, with one for subjects in general.
KINDS = [
    (1, 60, True, 0.0, False, 1),
    (1, 160, True, 0.0, False, 1),
    (1, 1000, True, 0.0, False, 1),
    (2, 160, True, 0.1, False, 1),
    (3, 160, True, 0.0, False, 1),
    (3, 160, False, 0.0, True, 1),
    (3, 160, True, 0.1, True, 1),
    (3, 160, False, 0.1, False, 1),
    (8, 160, True, 0.1, False, 1),
    (8, 100, False, 0.05, True, 1),
    (1, 10, True, 0.0, False, 12),
]


def figure(observed: np.ndarray, predicted: np.ndarray, counts: np.ndarray) -> tuple[float, np.ndarray]:
    """(mean R2, deviations of its draws)."""
    mean = float(voxel_r2(observed, predicted).mean())
    everything = {"all": np.ones(observed.shape[1], dtype=bool)}
    return mean, resampled_r2(observed, predicted, counts, everything)["all"] - mean


def covered(rng: np.random.Generator, kind: tuple[int, int, bool, float, bool, int]) -> bool:
    """Whether the interval of one simulated board holds the true R2."""
    subjects, images, same, spread, heavy, trials = kind
    weights = rng.normal(0, 0.5, (FEATURES, VOXELS))
    explained = np.square(weights).sum(axis=0)
    truth = float((1 - (((1 - GAIN) ** 2 + spread**2) * explained + 1) / (explained + 1)).mean())
    cells = {}
    for subject in range(subjects):
        if not subject or not same:
            hidden = (
                rng.standard_t(5, (images, FEATURES)) * np.sqrt(3 / 5) if heavy else rng.normal(size=(images, FEATURES))
            )
            counts = rng.multinomial(images, np.full(images, 1 / images), size=DRAWS).astype(np.float32)
            # An image is drawn with all its trials.
            hidden, counts = np.repeat(hidden, trials, axis=0), np.repeat(counts, trials, axis=1)
        signal = hidden @ weights
        observed = signal + rng.normal(size=signal.shape)
        cells[str(subject), 0] = figure(observed, (GAIN + spread * rng.normal()) * signal, counts)
    made = Sample(cells, images)
    found = estimate_beyond(made) if spread else estimate(made)
    return found is not None and found.low < truth < found.high


def found(rng: np.random.Generator, counts: np.ndarray, planted: float) -> bool:
    """Whether a difference of ``planted`` between two networks is found at 5 %."""
    images, voxels = counts.shape[1], 2000
    weights = rng.normal(0, 0.2, (20, voxels))
    hidden = rng.normal(size=(images, 20))
    observed = hidden @ weights + rng.normal(size=(images, voxels))
    variance = np.square(weights).sum(axis=0) + 1
    first, second = (0.8 * (hidden + rng.normal(0, 0.5, hidden.shape)) @ weights for _ in range(2))
    # Noise of its own costs a network just that much R2, in every voxel.
    second = second + np.sqrt(planted * variance) * rng.normal(size=observed.shape)
    samples = [Sample({("1", 0): figure(observed, p, counts)}, images) for p in (first, second)]
    return Scores(samples).p_values()[0, 1] < 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=100)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    for kind in KINDS:
        share = sum(covered(rng, kind) for _ in range(asked.boards)) / asked.boards
        subjects, images, same, spread, heavy, trials = kind
        print(
            f"{subjects} subjects{' in general' if spread else ''}, {images} {'shared' if same else 'different'} images"
            f"{', heavy tails' if heavy else ''}{f', {trials} trials each' if trials > 1 else ''}: "
            f"{share:.1%} of {asked.boards} intervals cover the truth",
            flush=True,
        )
    counts = resamples([str(image) for image in range(1000)])
    assert counts is not None
    for planted in (0.01, 0.0):
        times = sum(found(rng, counts, planted) for _ in range(asked.pairs))
        print(f"a difference of {planted}: found in {times} of {asked.pairs} draws", flush=True)


if __name__ == "__main__":
    main()
