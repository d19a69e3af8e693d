"""Tokens that do not fit into memory: cut into pools, read ahead, each trial once a pass; nobody can tell from the result."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from linear import QUICK, LinearModel, linear_problem

from brainbench import DataError, FitContext, Responses
from brainbench.fitting import TrainingData, load_training_data, train
from brainbench.fitting import training_data as data_module
from brainbench.fitting.prediction import Validation
from brainbench.fitting.token_pools import draw_pools, plan, skip_trials
from brainbench.fitting.token_reader import HeldTokens, hold
from brainbench.util.memory import _limits, budget, machine_memory

MakeFeatures = Callable[..., Any]
# One global token of five float32 figures.
BYTES = 20


@pytest.fixture
def problem(memory_features: MakeFeatures) -> tuple[Any, Responses]:
    """700 images in eleven chunks, 467 of them for training, each shown twice."""
    return linear_problem(memory_features, images=700, repeats=2)


def data_of(problem: tuple[Any, Responses], stimuli: float = 1e6) -> TrainingData:
    """Data of which so many stimuli may be held."""
    return load_training_data(*problem, ("global",), memory=stimuli * BYTES / 1e9)


def batches_of(
    data: TrainingData, count: int, size: int = 48, skip: int = 0
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    stream = data.batches(size, 0, "cpu", skip)
    found = [(tokens[0], observed) for tokens, observed in islice(stream, count)]
    stream.close()
    return found


# How a pass is cut.


@pytest.mark.parametrize(
    ("train_val", "capacity", "expected"),
    [((400, 100), 500, (1, True)), ((400, 100), 499, (3, True)), ((400, 100), 200, (8, True)),
     ((400, 100), 199, (5, False)), ((400, 300), 450, (1, False)), ((400, 1), 0, (800, False))],
)  # fmt: skip
def test_the_cut_leaves_room_for_two_pools_and_the_val_split(
    train_val: tuple[int, int], capacity: int, expected: tuple[int, bool]
) -> None:
    assert plan(*train_val, capacity) == expected


def test_every_pass_has_each_trial_once_in_pools_of_whole_chunks() -> None:
    stimulus = np.random.default_rng(0).permutation(np.repeat(np.arange(1000), 3))
    drawn = list(islice(draw_pools(stimulus, 4, seed=0), 12))
    passes = [drawn[:4], drawn[4:8], drawn[8:]]
    for pools in passes:
        assert sorted(np.concatenate(pools).tolist()) == list(range(3000))
        chunks = [set((stimulus[pool] // 64).tolist()) for pool in pools]
        assert sum(map(len, chunks)) == len(set().union(*chunks)) == 16
        assert all(len(set(stimulus[pool].tolist())) <= 250 + 64 for pool in pools)
    # Other chunks together, and other trials one after another, in every pass.
    assert len({frozenset((stimulus[pool] // 64).tolist()) for pool in drawn}) > 8
    assert len({tuple(pool[:5].tolist()) for pool in drawn}) == 12


def test_one_pool_is_a_permutation_a_pass() -> None:
    stimulus = np.arange(200)
    generator = torch.Generator().manual_seed((1 << 32) + 5)
    for pool in islice(draw_pools(stimulus, 1, seed=5), 3):
        assert pool.tolist() == torch.randperm(200, generator=generator).tolist()


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_skipping_trials_is_what_slicing_them_is(count: int) -> None:
    whole = np.concatenate(list(islice(draw_pools(np.arange(100), 2, seed=1), 8)))
    rest = skip_trials(draw_pools(np.arange(100), 2, seed=1), count)
    assert np.concatenate(list(islice(rest, 4)))[:100].tolist() == whole[count : count + 100].tolist()


# What a model is told.


@pytest.mark.parametrize("stimuli", [120, 400, 560])
def test_batches_of_pools_hold_each_trial_once_a_pass(problem: tuple[Any, Responses], stimuli: int) -> None:
    streamed, whole = data_of(problem, stimuli), data_of(problem)
    assert (whole.pools, len(whole.held.stimuli)) == (1, 584)
    assert streamed.pools > 1
    trials, size = len(streamed.train), 48
    found = batches_of(streamed, 2 * trials // size + 1, size)
    assert {len(observed) for _, observed in found} == {size}
    told = torch.cat([torch.cat([tokens[:, 0], observed], dim=1) for tokens, observed in found])
    train_trials = [whole.tokens_of(whole.stimulus[whole.train], "cpu")[0][:, 0], whole.observed(whole.train)]
    expected = sorted(map(tuple, torch.cat(train_trials, dim=1).tolist()))
    for start in (0, trials):
        assert sorted(map(tuple, told[start : start + trials].tolist())) == expected


@pytest.mark.parametrize("size", [48, 300, 5000])
def test_a_batch_may_be_larger_than_a_pool(problem: tuple[Any, Responses], size: int) -> None:
    data = data_of(problem, 120)
    found = batches_of(data, 3, size)
    assert {len(tokens) for tokens, _ in found} == {min(size, len(data.train))}


@pytest.mark.parametrize("stimuli", [120, 1e6])
@pytest.mark.parametrize("skip", [1, 4, 37])
def test_batches_go_on_where_they_were(problem: tuple[Any, Responses], stimuli: float, skip: int) -> None:
    data = data_of(problem, stimuli)
    for one, other in zip(batches_of(data, 5, skip=skip), batches_of(data, skip + 5)[skip:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_statistics_and_looks_are_the_same_bytes_however_much_is_held(problem: tuple[Any, Responses]) -> None:
    model, whole = LinearModel(), data_of(problem)
    for stimuli, held in ((560, 117), (120, 0)):
        data = data_of(problem, stimuli)
        assert len(data.held.stimuli) == held
        assert all(torch.equal(t, data.reader.parameters()[name]) for name, t in whole.reader.parameters().items())
        assert Validation(model, data, "cpu").r2() == Validation(model, whole, "cpu").r2()


@pytest.mark.slow
def test_a_streamed_fit_is_as_good_and_the_same_bytes_again(problem: tuple[Any, Responses]) -> None:
    def fit(stimuli: float) -> tuple[bytes, float]:
        model = LinearModel()
        history = train(model, data_of(problem, stimuli), replace(QUICK, steps=200), FitContext(0, "cpu")).history
        return model.map.weight.detach().numpy().tobytes(), history[-1]["val_r2"]

    assert fit(120) == fit(120)
    assert fit(120)[0] != fit(1e6)[0]
    assert min(fit(120)[1], fit(1e6)[1]) > 0.99


def test_test_images_are_not_read_for_a_streamed_fit_either(problem: tuple[Any, Responses]) -> None:
    train(LinearModel(), data_of(problem, 120), QUICK, FitContext(0, "cpu"))
    assert problem[0].rows_read == set(problem[1].stimulus[problem[1].split != "test"].tolist())


# What is in memory, and when.


class Immediately(ThreadPoolExecutor):
    """Reads at once: whatever is still held then is seen."""

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*arguments))
        return future


def test_never_more_than_two_pools_exist(problem: tuple[Any, Responses], monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[weakref.ref[HeldTokens]] = []
    counted, sizes = [], []

    def watched(features: Any, reader: Any, stimuli: np.ndarray, unwanted: Any) -> HeldTokens | None:
        counted.append(sum(ref() is not None for ref in alive) + 1)
        held = hold(features, reader, stimuli, unwanted)
        if held is not None:
            alive.append(weakref.ref(held))
            sizes.append(len(stimuli))
        return held

    monkeypatch.setattr(data_module, "hold", watched)
    monkeypatch.setattr("brainbench.fitting.token_pools.ThreadPoolExecutor", Immediately)
    data = data_of(problem, 360)
    batches_of(data, 2 * len(data.train) // 48)
    assert len(counted) > 6
    assert max(counted) == 2
    assert max(a + b for a, b in pairwise(sizes)) <= 360 - len(data.held.stimuli) + 2 * 64


def test_the_next_pool_is_read_meanwhile_and_no_longer_when_nobody_wants_it(
    problem: tuple[Any, Responses], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, given_up = threading.Semaphore(0), list[bool]()

    def slow(features: Any, reader: Any, stimuli: np.ndarray, unwanted: Callable[[], bool]) -> HeldTokens | None:
        begun.release()
        while given_up and not unwanted():
            time.sleep(0.001)
        held = hold(features, reader, stimuli, unwanted)
        given_up.append(held is None)
        return held

    monkeypatch.setattr(data_module, "hold", slow)
    before = threading.active_count()
    stream = data_of(problem, 120).batches(16, 0, "cpu")
    next(stream)
    assert begun.acquire(timeout=5)
    assert begun.acquire(timeout=5)
    stream.close()
    assert given_up == [False, True]
    assert threading.active_count() == before


def test_what_the_reading_thread_raises_ends_the_fit(
    problem: tuple[Any, Responses], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> HeldTokens:
        raise DataError("chunk 3 is gone")

    monkeypatch.setattr(data_module, "hold", broken)
    with pytest.raises(DataError, match="chunk 3 is gone"):
        train(LinearModel(), data_of(problem, 120), QUICK, FitContext(0, "cpu"))


# How much that is.


def test_the_budget_is_what_was_asked_for_whatever_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert budget(1.5) == 1_500_000_000
    for physical in (4e9, 4e12):
        monkeypatch.setattr("brainbench.util.memory.machine_memory", lambda physical=physical: int(physical))
        assert budget() == 8_000_000_000
    lines = Path("/proc/meminfo").read_text().splitlines()
    physical = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal"))
    assert 0 < machine_memory() <= physical


@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        ("0::/job/step", {"job/step/memory.max": "max", "job/memory.max": "700", "memory.max": "900"}, [700, 900]),
        ("4:memory:/job", {"memory/job/memory.limit_in_bytes": "500"}, [500]),
        ("3:cpuset:/job", {"memory/job/memory.limit_in_bytes": "500"}, []),
        ("0::/", {}, []),
    ],
)
def test_limits_of_containers_and_batch_systems_count(
    tmp_path: Path, line: str, files: dict[str, str], expected: list[int]
) -> None:
    groups = tmp_path / "groups"
    for name, text in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(f"{text}\n")
    (tmp_path / "self").write_text(f"{line}\n")
    assert list(_limits(tmp_path / "self", groups)) == expected
    assert list(_limits(tmp_path / "nowhere", groups)) == []
