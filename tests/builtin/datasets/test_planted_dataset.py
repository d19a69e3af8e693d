from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest
import torch

from brainbench import Features, PluginError, Responses, UsageError, features, layer_place
from brainbench.builtin.datasets.demo import cortex
from brainbench.builtin.datasets.demo.scenes import scene
from brainbench.builtin.datasets.planted.card import PLANTED
from brainbench.builtin.datasets.planted.dataset import load
from brainbench.builtin.datasets.planted.truth import Truth, plant, signal
from brainbench.builtin.metrics.hierarchy import hierarchy_fit
from brainbench.planning.request import Request
from brainbench.registry import installed
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders

MakeFeatures = Callable[..., Features]
SMALL = {"images": 100, "voxels": 300}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("planted")


def planted(cache: Path, backbone: str | None = None, **settings: Any) -> Any:
    return load(settings=SMALL | settings, data=None if backbone is None else Path(backbone), cache=cache)


@pytest.fixture(scope="module")
def responses(cache: Path) -> Responses:
    found: Responses = planted(cache).responses("1")
    return found


def test_signal_is_listing_1_of_standardised_tokens(memory_features: MakeFeatures) -> None:
    rng = np.random.default_rng(0)
    local = [rng.normal(2, 3, (20, c, 4, 6)).astype(np.float32) for c in (5, 3)]
    glob = [rng.normal(-1, 2, (20, c)).astype(np.float32) for c in (5, 3)]
    truth = Truth(
        layer=rng.dirichlet([1, 1], 30),
        space=rng.uniform(-1.2, 1.2, (30, 2)),
        scale=rng.uniform(0, 1, 30),
        channel=rng.normal(size=(30, 16)),
        align=tuple(rng.normal(size=(c, 16)) for c in (5, 3)),
    )
    tokens = []
    for index in range(2):
        a = (local[index] - local[index].mean((0, 2, 3), keepdims=True)) / local[index].std((0, 2, 3), keepdims=True)
        g = (glob[index] - glob[index].mean(0)) / glob[index].std(0)
        both = np.concatenate([a.reshape(20, a.shape[1], -1).transpose(0, 2, 1), g[:, None]], axis=1)
        tokens.append(torch.tensor(both @ truth.align[index]))
    arrays = (truth.space[:, None], truth.layer, truth.scale, truth.channel)
    expected = oracle.read_out(torch.stack(tokens).double(), (4, 6), *(torch.tensor(a) for a in arrays))
    np.testing.assert_allclose(signal(truth, memory_features(local, glob)), expected.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("flat", [False, True])
def test_what_is_planted_rises_along_the_hierarchy_or_is_flat(flat: bool) -> None:
    rng = np.random.default_rng(0)
    voxels = cortex.build(rng)
    truth = plant(voxels, (8,) * 12, rng, flat=flat)
    np.testing.assert_allclose(truth.layer.sum(axis=1), 1)
    left = voxels.hemisphere == "left"
    assert (truth.space[left, 0] > 0).all()
    assert (truth.space[~left, 0] < 0).all()
    # As far as the map is from even, a fit that knows nothing of it would be near by chance.
    for seen in (truth.space[left], truth.space[~left]):
        for axis, (low, high) in enumerate([(0, 0.85), (-0.85, 0.85)]):
            counts, _ = np.histogram(seen[:, axis] if axis else np.abs(seen[:, axis]), bins=4, range=(low, high))
            assert counts.min() > 0.9 * counts.mean()
    assert (truth.scale >= 0).all()
    assert (truth.scale <= 1).all()
    slope, start = hierarchy_fit(layer_place(truth.layer), voxels.rois)
    assert slope == pytest.approx(0, abs=1e-9) if flat else 0.5 < slope < 1
    assert flat or 0 < start < 0.3


@pytest.mark.slow
def test_responses_hold_their_ceiling_and_the_truth(responses: Responses) -> None:
    assert responses.values.shape == (100, 300)
    assert responses.noise_ceiling is not None
    assert 0.35 < responses.noise_ceiling.mean() < 0.45
    truth = responses.truth
    assert truth is not None
    assert truth.layer is not None
    assert truth.layer.shape == (300, 12)
    assert truth.layers == tuple(f"layer{i + 1}" for i in range(12))
    assert responses.coordinates is not None
    assert responses.coordinates.shape == (300, 3)
    assert {name: int((responses.split == name).sum()) for name in ("train", "val", "test")} == {
        "train": 80, "val": 10, "test": 10,
    }  # fmt: skip


def test_a_survey_says_what_the_responses_say_and_runs_no_backbone(
    responses: Responses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: Any, **__: Any) -> Any:
        raise AssertionError("a backbone was loaded")

    monkeypatch.setattr("brainbench.runner.features.load_backbone", run)
    dataset = planted(tmp_path)
    found = dataset.survey("1")
    assert found.values.shape == responses.values.shape
    assert not any(found.values.strides)
    one, other = (asdict(replace(r, values=np.zeros(1), truth=None)) for r in (found, responses))
    np.testing.assert_equal(one, other)
    request = Request(dataset="planted", backbones="pixels", settings=("planted.images=100", "planted.voxels=300"))
    folders = Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path)
    assert Benchmark.open(request, installed(), folders, device="cpu").plan.jobs
    assert not (tmp_path / "features").exists()
    with pytest.raises(PluginError, match="a backbone was loaded"):
        dataset.responses("1")


def test_other_tokens_or_settings_are_other_responses(cache: Path) -> None:
    keys = {planted(cache, name, **settings).survey("1").key for name, settings in (
        (None, {}), ("pixels", {}), (None, {"seed": 1}), (None, {"ceiling": 0.5}), (None, {"flat": True}),
    )}  # fmt: skip
    assert len(keys) == 5


def test_the_noise_is_what_the_ceiling_leaves(responses: Responses, cache: Path) -> None:
    """A regression on the true signal reaches the ceiling, to the voxel."""
    dataset = planted(cache)
    tokens = features("random", dataset.stimuli("1"), cache=cache)
    whole = cortex.build(np.random.default_rng([0, 1]), margin=8.0)
    rng = np.random.default_rng([0, 2])
    some = np.sort(rng.permutation(len(whole.area))[:300])
    clean = signal(plant(whole, tokens.channels, rng).of(some), tokens)
    r = [np.corrcoef(clean[:, v], responses.values[:, v])[0, 1] for v in range(300)]
    np.testing.assert_allclose(np.square(r), responses.noise_ceiling, atol=1e-3)


@pytest.mark.slow
def test_same_again_and_other_with_another_seed_or_hierarchy(responses: Responses, cache: Path) -> None:
    assert planted(cache).responses("1").key == responses.key
    flat = planted(cache, flat=True)
    assert flat.responses("1").key != responses.key
    assert flat.version != planted(cache).version != planted(cache, seed=1).version


def test_a_run_finds_the_tokens_that_the_dataset_read(cache: Path) -> None:
    dataset = planted(cache)
    dataset.responses("1")
    kept = {path: path.stat().st_mtime_ns for path in (cache / "features").rglob("*.json")}
    features("random", dataset.stimuli("1"), cache=cache)
    assert kept == {path: path.stat().st_mtime_ns for path in (cache / "features").rglob("*.json")}
    assert kept


def test_an_unknown_backbone_is_one_line(cache: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'random'"):
        planted(cache, "randon").responses("1")
    with pytest.raises(UsageError, match="expected one backbone"):
        planted(cache, "pixels,random").responses("1")


def test_shared_directions_are_the_same_in_all_layers() -> None:
    rng = np.random.default_rng(0)
    voxels = cortex.build(rng)
    own, shared = (plant(voxels, (8,) * 3, np.random.default_rng(0), shared=shared).align for shared in (False, True))
    assert all((a == shared[0]).all() for a in shared)
    assert not (own[0] == own[1]).all()
    with pytest.raises(UsageError, match="layers of one width are needed, these have 8, 9"):
        plant(voxels, (8, 9), rng, shared=True)


def test_no_scene_is_one_of_the_demos(cache: Path) -> None:
    ours = set(planted(cache).stimuli("1").digests)
    demos = {hashlib.sha256(scene(0, index).image.tobytes()).hexdigest() for index in range(100)}
    assert not ours & demos


def test_the_card_says_that_it_is_simulated() -> None:
    assert PLANTED.simulated
    assert PLANTED.takes_data
    assert not PLANTED.needs_data
