from __future__ import annotations

import socket

import numpy as np
import pytest

from brainbench.builtin.datasets.demo import cortex
from brainbench.builtin.datasets.demo.cortex import AREAS, CENTRES, Cortex


@pytest.fixture(scope="module")
def voxels() -> Cortex:
    return cortex.build(np.random.default_rng(0))


def _white(voxels: Cortex) -> np.ndarray:
    return np.array(
        [cortex.hemisphere(h).white[v] for h, v in zip(voxels.hemisphere.tolist(), voxels.vertex.tolist(), strict=True)]
    )


def test_the_cortex_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    cortex.hemisphere.cache_clear()
    assert cortex.hemisphere("left").white.shape == (10242, 3)


@pytest.mark.parametrize("seed", range(4))
def test_every_area_is_large_enough_and_on_both_sides(seed: int) -> None:
    voxels = cortex.build(np.random.default_rng(seed))
    assert 1100 < len(voxels.vertex) < 1500
    assert voxels.inside.all()
    for name, mask in voxels.rois.items():
        assert mask.sum() >= 60, name
        assert min((voxels.hemisphere[mask] == side).sum() for side in ("left", "right")) >= 20, name


def test_areas_do_not_overlap_and_fill_the_cortex(voxels: Cortex) -> None:
    count = np.sum(list(voxels.rois.values()), axis=0)
    assert tuple(voxels.rois) == AREAS
    assert set(count.tolist()) == {1}


def test_a_margin_adds_the_cortex_around(voxels: Cortex) -> None:
    wide = cortex.build(np.random.default_rng(0), margin=8.0)
    assert 1900 < len(wide.vertex) < 2600
    assert set(np.sum(list(wide.rois.values()), axis=0).tolist()) == {0, 1}
    # Those around count with the area that they are nearest to.
    assert len(wide.area) == len(wide.vertex)
    assert not wide.inside.all()


def test_no_vertex_is_listed_twice(voxels: Cortex) -> None:
    assert len(set(zip(voxels.hemisphere.tolist(), voxels.vertex.tolist(), strict=True))) == len(voxels.vertex)


def test_areas_lie_where_they_were_published(voxels: Cortex) -> None:
    white = _white(voxels)
    for k, side in enumerate(("left", "right")):
        for name, centres in CENTRES.items():
            here = white[voxels.rois[name] & (voxels.hemisphere == side)]
            assert np.linalg.norm(here.mean(axis=0) - cortex.talairach_to_mni(centres[k])) < 14, (name, side)  # type: ignore[arg-type]


def test_v1_is_medial_and_posterior_and_v2_v3_surround_it(voxels: Cortex) -> None:
    white = _white(voxels)
    for side in ("left", "right"):
        here = voxels.hemisphere == side
        v1, v2, v3 = (white[voxels.rois[name] & here] for name in ("V1", "V2", "V3"))
        assert np.abs(v1[:, 0]).mean() < 20
        assert v1[:, 1].mean() < -80
        assert np.ptp(v1[:, 2]) < np.ptp(v2[:, 2]) <= np.ptp(v3[:, 2]) + 3


def test_each_hemisphere_sees_the_other_half_of_the_field(voxels: Cortex) -> None:
    left = voxels.hemisphere == "left"
    assert (voxels.field[left, 0] >= 0).all()
    assert (voxels.field[~left, 0] <= 0).all()
    assert np.abs(voxels.field).max() <= 0.95


def test_upper_field_is_ventral_and_periphery_anterior(voxels: Cortex) -> None:
    white = _white(voxels)
    for side in ("left", "right"):
        for name in ("V1", "V2", "V3"):
            here = voxels.rois[name] & (voxels.hemisphere == side)
            upper, lower = here & (voxels.field[:, 1] > 0.05), here & (voxels.field[:, 1] < -0.05)
            assert white[upper, 2].mean() < white[lower, 2].mean() - 5, (name, side)
            eccentricity = np.hypot(*voxels.field[here].T)
            assert np.corrcoef(eccentricity, white[here, 1])[0, 1] > 0.8, (name, side)


def test_retinotopy_is_smooth(voxels: Cortex) -> None:
    early = voxels.rois["V1"]
    step = np.linalg.norm((voxels.smoother @ voxels.field - voxels.field)[early], axis=1)
    assert np.median(step) < 0.25 * voxels.field[early].std()


def test_hemispheres_are_set_apart(voxels: Cortex) -> None:
    left = voxels.hemisphere == "left"
    assert voxels.coordinates[left, 0].max() <= -cortex.GAP / 2
    assert voxels.coordinates[~left, 0].min() >= cortex.GAP / 2
    inflated = cortex.hemisphere("left").inflated[voxels.vertex[left]]
    np.testing.assert_allclose(voxels.coordinates[left, 1:], inflated[:, 1:])


def test_talairach_to_mni_inverts_brett() -> None:
    # Brett's forward formulas, written out: above and below the commissures.
    for x, y, z in [(10.0, -70.0, 20.0), (-40.0, -55.0, -15.0)]:
        up, down = (
            (0.9688 * y + 0.0460 * z, -0.0485 * y + 0.9189 * z),
            (0.9688 * y + 0.0420 * z, -0.0485 * y + 0.8390 * z),
        )
        forward = (0.99 * x, *(up if z > 0 else down))
        np.testing.assert_allclose(cortex.talairach_to_mni(forward), [x, y, z], atol=1e-9)


def test_subjects_differ_but_little() -> None:
    first, second = (cortex.build(np.random.default_rng(seed)) for seed in (1, 2))
    a, b = (set(zip(c.hemisphere.tolist(), c.vertex.tolist(), strict=True)) for c in (first, second))
    assert a != b
    assert len(a & b) / len(a | b) > 0.7
