from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brainbench.builtin.datasets.demo import brain, cortex, maps
from brainbench.builtin.datasets.demo.scenes import Scene, scene


@pytest.fixture(scope="module")
def subject() -> brain.Brain:
    voxels = cortex.build(np.random.default_rng(0))
    return brain.Brain(voxels, np.random.default_rng(1), np.random.default_rng(2))


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene(1, index) for index in range(150)]


@pytest.fixture(scope="module")
def signal(subject: brain.Brain, scenes: list[Scene]) -> np.ndarray:
    return subject.signal(maps.stack(scenes))


def test_ceiling_is_exact_on_the_data() -> None:
    rng = np.random.default_rng(0)
    signal = (rng.normal(size=(400, 30)) * 5 + 3).astype(np.float32)
    ceiling = rng.uniform(0.05, 0.85, 30)
    values = brain.measure(signal, ceiling, rng).astype(np.float64)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(values.std(axis=0), 1, atol=1e-5)
    # Independent reference: share of variance that a straight line through the noise-free signal explains.
    explained = [np.corrcoef(s, v)[0, 1] ** 2 for s, v in zip(signal.T.astype(np.float64), values.T, strict=True)]
    np.testing.assert_allclose(explained, ceiling, atol=1e-4)


def test_ceilings_follow_the_areas(subject: brain.Brain) -> None:
    ceiling = brain.ceilings(subject.cortex, np.random.default_rng(5))
    for name, mask in subject.cortex.rois.items():
        assert ceiling[mask].mean() == pytest.approx(brain.CEILINGS[name], abs=0.04)
    assert ceiling.min() > 0


@pytest.mark.slow
def test_every_voxel_responds(signal: np.ndarray) -> None:
    assert np.isfinite(signal).all()
    assert signal.std(axis=0).min() > 0


def test_chunks_do_not_matter(subject: brain.Brain, scenes: list[Scene], signal: np.ndarray) -> None:
    parts = [subject.signal(maps.stack(scenes[:40])), subject.signal(maps.stack(scenes[40:80]))]
    np.testing.assert_allclose(np.concatenate(parts), signal[:80], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", range(3))
@pytest.mark.parametrize("orientation", [0, 2, 5])
def test_a_grating_drives_its_own_orientation_and_wavelength_most(scale: int, orientation: int) -> None:
    y, x = np.mgrid[:64, :64]
    angle = maps.ORIENTATIONS[orientation]
    wave = np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / maps.WAVELENGTHS[scale])
    image = np.repeat((127 + 100 * wave)[..., None], 3, axis=2).astype(np.uint8)
    energy = maps.energy(image)[:, 5:11, 5:11].mean(axis=(1, 2)).reshape(3, 6)
    assert energy[scale].argmax() == orientation


def test_uniform_light_drives_nothing() -> None:
    assert np.abs(maps.energy(np.full((64, 64, 3), 200, np.uint8))).max() < 1e-6


def test_filters_are_not_those_of_the_pixels_control() -> None:
    steps = maps.ORIENTATIONS / (np.pi / 8)
    assert np.abs(steps - steps.round()).min() > 0.1
    assert min(abs(np.log2(a / b)) for a in maps.WAVELENGTHS for b in (3, 6, 12, 24)) > 0.4


def test_v1_sees_its_own_part_of_the_field(subject: brain.Brain, scenes: list[Scene]) -> None:
    before = scenes[0]
    changed = before.image.copy()
    changed[:, 40:] = scenes[1].image[:, 40:]
    after = replace(before, image=changed)
    difference = np.abs(np.subtract(*(subject.signal(maps.stack([s]))[0] for s in (before, after))))
    v1 = subject.cortex.rois["V1"]
    right_field, left_field = (v1 & (sign * subject.cortex.field[:, 0] > 0.35) for sign in (1, -1))
    assert difference[left_field].mean() < 0.08 * difference[right_field].mean()


def test_faces_drive_ffa_and_bodies_eba(subject: brain.Brain, scenes: list[Scene], signal: np.ndarray) -> None:
    for name, category, other in (("FFA", "face", "EBA"), ("EBA", "body", "FFA")):
        present = np.array([any(t.category == category for t in s.objects) for s in scenes])
        effect = (signal[present].mean(axis=0) - signal[~present].mean(axis=0)) / signal.std(axis=0)
        assert effect[subject.cortex.rois[name]].min() > 0.5
        assert effect[subject.cortex.rois[name]].mean() > 2 * effect[subject.cortex.rois[other]].mean()


def test_place_areas_read_the_layout_and_not_the_objects(subject: brain.Brain, scenes: list[Scene]) -> None:
    bare = [replace(s, objects=(), mask=np.zeros_like(s.mask), image=np.zeros_like(s.image)) for s in scenes[:5]]
    full, empty = (subject.signal(maps.stack(group)) for group in (scenes[:5], bare))
    places = subject.cortex.rois["OPA"] | subject.cortex.rois["PPA"]
    np.testing.assert_array_equal(full[:, places], empty[:, places])
    assert np.ptp(full[:, places], axis=0).min() > 0


def test_neighbours_respond_more_alike_than_strangers(subject: brain.Brain, signal: np.ndarray) -> None:
    voxels = subject.cortex
    normed = (signal - signal.mean(axis=0)) / signal.std(axis=0)
    alike = normed.T @ normed / len(normed)
    for name in ("V1", "PPA", "hV4"):
        here = np.flatnonzero(voxels.rois[name] & (voxels.hemisphere == "left"))
        near = np.asarray((voxels.smoother[here][:, here] > 0).todense()) & ~np.eye(len(here), dtype=bool)
        block = alike[np.ix_(here, here)]
        assert block[near].mean() > block[~near].mean() + 0.05, name
