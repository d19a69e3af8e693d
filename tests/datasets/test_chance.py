from __future__ import annotations

from pathlib import Path

import numpy as np
from folders import names_of, open_folder, responses_of, write_images, write_table

from brainbench.datasets import ArraySource, chance_of_repeats

IMAGES, REPEATS, VOXELS = 12, 3, 40
STIMULUS = np.tile(np.arange(IMAGES), REPEATS)


def responses(signal: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    seen = signal * rng.normal(size=(IMAGES, VOXELS))
    shared = rng.normal(size=(len(STIMULUS), 1))  # noise that all voxels have in common
    return (seen[STIMULUS] + shared + rng.normal(size=(len(STIMULUS), VOXELS))).astype(np.float32)


def test_signal_is_above_chance_and_shared_noise_is_not() -> None:
    values = np.hstack([responses(1, 0), responses(0, 1)])
    values[3, 0] = np.nan
    values[:, 1] = 2
    rois = {"V1": np.arange(80) < 40, "V4": np.arange(80) >= 40, "none": np.arange(80) < 2}
    found = chance_of_repeats(ArraySource("k", Path("r"), (values,)), np.arange(len(STIMULUS)), STIMULUS, rois)
    assert found.keys() == {"V1", "V4"}
    assert found["V1"] < 0.01
    assert found["V4"] > 0.05


def test_without_signal_p_is_uniform() -> None:
    every = np.arange(len(STIMULUS))
    p = [
        chance_of_repeats(
            ArraySource("k", Path("r"), (responses(0, seed),)), every, STIMULUS, {"V1": np.ones(VOXELS, bool)}
        )["V1"]
        for seed in range(40)
    ]
    assert 0.35 < np.mean(p) < 0.65
    assert np.mean(np.array(p) < 0.05) <= 0.15


def test_a_note_tells_each_roi(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_images(root / "images", IMAGES)
    write_table(root / "stimuli.csv", "image", *(names_of(IMAGES)[index] for index in STIMULUS))
    np.save(root / "responses.npy", np.hstack([responses(1, 0), responses(0, 1)]))
    write_table(root / "rois.csv", "voxel,roi", *(f"{voxel},{'V1' if voxel < 40 else 'IT'}" for voxel in range(80)))
    for _ in range(2):  # the second time from the cache
        notes = responses_of(open_folder(root)).notes
        assert any(note.startswith("noise ceiling above chance in V1; not above chance in IT (p = ") for note in notes)
