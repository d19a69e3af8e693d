"""A fit that is stopped, however, goes on from its last state and ends with the bytes of one that nobody disturbed."""

from __future__ import annotations

import errno
import json
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from linear import QUICK, LinearModel, linear_problem
from safetensors import SafetensorError

from brainbench import FitContext, Responses, StoreError
from brainbench.fitting import Recipe, TrainingData, load_training_data, train
from brainbench.fitting.prediction import Validation
from brainbench.util.interrupts import whole

MakeFeatures = Callable[..., Any]
# 24 steps, six epochs, three of which are kept; the last ones may be no better.
RECIPE = replace(QUICK, steps=24, epoch=4, lr=0.2, schedule="constant", keep=3, patience=99)
STEPS = 24


class KilledError(BaseException):
    """Stands for a kill: nothing is done about it."""


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as Python has it, also where the tests themselves were started without it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state after every step."""
    monkeypatch.setattr("brainbench.fitting.fit_store._REST_S", -1.0)
    monkeypatch.setattr("brainbench.fitting.fit_store._REST_COSTS", -1.0)


@pytest.fixture
def problem(memory_features: MakeFeatures) -> tuple[Any, Responses]:
    return linear_problem(memory_features, images=300)


@pytest.fixture(params=[1e6, 120], ids=["held", "streamed"])
def data(problem: tuple[Any, Responses], request: pytest.FixtureRequest) -> TrainingData:
    """All in memory, or in pools that end between steps that a test stops at."""
    return load_training_data(*problem, ("global",), memory=request.param * 20 / 1e9)


@pytest.fixture
def held(problem: tuple[Any, Responses]) -> TrainingData:
    return load_training_data(*problem, ("global",))


class Fit:
    """One fit of ``data`` that keeps its state in ``folder``; stops: called at every step, with its number from 1."""

    def __init__(self, data: TrainingData, folder: Path | None, recipe: Recipe = RECIPE, seed: int = 0) -> None:
        self.data, self.recipe, self.seed, self.folder = data, recipe, seed, folder
        self.steps, self.said = 0, list[str]()

    def run(self, stop: Callable[[int], None] = lambda step: None) -> tuple[bytes, list[dict[str, float]]]:
        model = LinearModel()

        def step() -> None:
            self.steps += 1
            stop(self.steps)

        model.each_step = step
        context = FitContext(self.seed, "cpu", folder=self.folder, message=self.said.append)
        history = train(model, self.data, self.recipe, context).history
        return b"".join(t.numpy().tobytes() for t in model.state_dict().values()), history


def interrupted_by(event: Callable[[], object], at: int) -> Callable[[int], None]:
    def stop(step: int) -> None:
        if step == at:
            event()

    return stop


def killed_at(step: int) -> Callable[[int], None]:
    def kill() -> None:
        raise KilledError

    return interrupted_by(kill, step)


def interrupted_at(step: int) -> Callable[[int], None]:
    return interrupted_by(lambda: signal.raise_signal(signal.SIGINT), step)


# Killed.


@pytest.mark.slow
@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("step", [1, 2, 4, 5, 13, 24])
def test_after_a_kill_only_the_step_in_flight_is_done_again(data: TrainingData, tmp_path: Path, step: int) -> None:
    undisturbed = Fit(data, None).run()
    with pytest.raises(KilledError):
        Fit(data, tmp_path / "fit").run(killed_at(step))
    again = Fit(data, tmp_path / "fit")
    assert again.run() == undisturbed
    assert again.steps == STEPS - (step - 1)
    assert len(again.said) == (step > 1)
    assert all(said.startswith(f"goes on from step {step - 1} of 24, loss ") for said in again.said)


@pytest.mark.usefixtures("always")
def test_a_fit_that_is_killed_at_every_turn_still_ends_the_same(held: TrainingData, tmp_path: Path) -> None:
    for _ in range(STEPS - 1):
        with pytest.raises(KilledError):
            Fit(held, tmp_path / "fit").run(killed_at(2))
    last = Fit(held, tmp_path / "fit")
    assert last.run() == Fit(held, None).run()
    assert last.steps == 1


def test_a_kill_before_the_first_state_means_from_the_start(held: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        Fit(held, tmp_path / "fit").run(killed_at(20))
    assert not (tmp_path / "fit").exists()
    again = Fit(held, tmp_path / "fit")
    assert again.run() == Fit(held, None).run()
    assert (again.steps, again.said) == (STEPS, [])


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
@pytest.mark.parametrize("count", [1, 5, 9])
def test_a_kill_while_a_state_is_written_leaves_the_one_before(
    held: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, count: int
) -> None:
    replaced, real = [], Path.replace

    def killed(draft: Path, target: Path) -> Path:
        replaced.append(target.suffix)
        if replaced.count(suffix) == count:
            raise KilledError
        return real(draft, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KilledError):
            Fit(held, tmp_path / "fit").run()
    again = Fit(held, tmp_path / "fit")
    assert again.run() == Fit(held, None).run()
    assert (again.steps < STEPS) == (count > 1)
    assert not [path for path in (tmp_path / "fit").iterdir() if path.suffix == ".draft"]


def test_a_kill_during_the_soup_means_the_soup_alone(
    held: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> float:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("brainbench.fitting.engine.greedy_soup", killed)
        with pytest.raises(KilledError):
            Fit(held, tmp_path / "fit").run()
    again = Fit(held, tmp_path / "fit")
    assert again.run() == Fit(held, None).run()
    assert again.steps == 0


def test_patience_is_remembered(held: TrainingData, tmp_path: Path) -> None:
    recipe = replace(RECIPE, lr=1e-30, patience=3, penalty=0, blur=0)
    undisturbed = Fit(held, None, recipe).run()
    with pytest.raises(KeyboardInterrupt):
        Fit(held, tmp_path / "fit", recipe).run(interrupted_at(10))
    again = Fit(held, tmp_path / "fit", recipe)
    assert again.run() == undisturbed
    assert (undisturbed[1][-1]["step"], again.steps) == (16, 6)


# Ctrl-C.


@pytest.mark.parametrize("step", [1, 3, 4, 13, 24])
def test_after_ctrl_c_the_next_step_is_the_next(data: TrainingData, tmp_path: Path, step: int) -> None:
    with pytest.raises(KeyboardInterrupt, match=rf"^the fit is kept at step {step} of 24, loss \d\.\d+"):
        Fit(data, tmp_path / "fit").run(interrupted_at(step))
    again = Fit(data, tmp_path / "fit")
    assert again.run() == Fit(data, None).run()
    assert again.steps == STEPS - step


def test_ctrl_c_during_a_look_at_the_val_split_keeps_the_epoch(
    held: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, real = [], Validation.r2

    def interrupted(validation: Validation) -> float:
        looks.append(1)
        if len(looks) == 3:
            signal.raise_signal(signal.SIGINT)
        return real(validation)

    with monkeypatch.context() as patch:
        patch.setattr(Validation, "r2", interrupted)
        with pytest.raises(KeyboardInterrupt, match="kept at step 12 of 24, .*, val R2"):
            Fit(held, tmp_path / "fit").run()
    again = Fit(held, tmp_path / "fit")
    assert again.run() == Fit(held, None).run()
    assert again.steps == 12


def test_ctrl_c_during_the_soup_says_that_the_fit_is_kept(
    held: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(model: torch.nn.Module, *_: object) -> float:
        model.load_state_dict({name: t * 2 for name, t in model.state_dict().items()})
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("brainbench.fitting.engine.greedy_soup", interrupted)
        with pytest.raises(KeyboardInterrupt, match="kept at step 24 of 24"):
            Fit(held, tmp_path / "fit").run()
    assert Fit(held, tmp_path / "fit").run() == Fit(held, None).run()


def test_without_a_folder_ctrl_c_is_just_that(held: TrainingData) -> None:
    with pytest.raises(KeyboardInterrupt, match="^$"):
        Fit(held, None).run(interrupted_at(5))


def test_a_fit_in_another_thread_is_the_same(held: TrainingData, tmp_path: Path) -> None:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(Fit(held, tmp_path / "fit").run()))
    thread.start()
    thread.join(20)
    assert found == [Fit(held, None).run()]


def test_ctrl_c_waits_for_the_end_of_what_must_be_whole() -> None:
    done, before = [], signal.getsignal(signal.SIGINT)

    def interrupted(then: Callable[[], None]) -> None:
        with whole():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            then()

    def fail() -> None:
        raise ValueError

    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda: done.append(1))
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt) as stop:
        interrupted(fail)
    assert isinstance(stop.value.__context__, ValueError)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupted(lambda: done.append(2))
    assert done == [1, 2]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


# What is kept.


@pytest.mark.usefixtures("always")
def test_every_best_epoch_is_written_once_and_what_is_beaten_goes(held: TrainingData, tmp_path: Path) -> None:
    seen: dict[str, set[int]] = {}

    def look(_: int) -> None:
        for path in (tmp_path / "fit").glob("best-*"):
            seen.setdefault(path.name, set()).add(path.stat().st_mtime_ns)

    _, history = Fit(held, tmp_path / "fit").run(look)
    assert len(seen) > 3
    assert {len(times) for times in seen.values()} == {1}
    best = sorted(history, key=lambda row: -row["val_r2"])[:3]
    left = {path.name for path in (tmp_path / "fit").iterdir()}
    assert left == {"state.json", "step-24.safetensors", *(f"best-{row['step']}.safetensors" for row in best)}


def test_a_short_fit_is_kept_once_and_a_dear_state_seldom(
    held: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, saved = [0.0], []
    monkeypatch.setattr("brainbench.util.pace.time.monotonic", lambda: now[0])
    real = Path.replace

    def slow(draft: Path, target: Path) -> Path:
        if target.name == "state.json":
            saved.append(now[0])
            now[0] += 2.0
        return real(draft, target)

    monkeypatch.setattr(Path, "replace", slow)

    def second(_: int) -> None:
        now[0] += 4.0

    Fit(held, tmp_path / "fit").run(second)
    # Due after five seconds at first, then forty after the end of one that took two; and at the end.
    assert saved == [8.0, 54.0, 100.0, 102.0]
    saved.clear()
    Fit(held, tmp_path / "other").run()
    assert len(saved) == 1


# A state that cannot be gone on from.


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("name", ["state.json", "step-13.safetensors", "best-*.safetensors"])
@pytest.mark.parametrize("harm", [flip, shorten, Path.unlink, lambda path: path.write_text("[]")])
def test_a_damaged_state_is_said_and_the_fit_starts_over(
    held: TrainingData, tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        Fit(held, tmp_path / "fit").run(interrupted_at(13))
    harm(next((tmp_path / "fit").glob(name)))
    again = Fit(held, tmp_path / "fit")
    assert again.run() == Fit(held, None).run()
    assert again.steps == STEPS
    if (name, harm) != ("state.json", Path.unlink):
        with pytest.raises(
            AssertionError, match=r"the state kept in .*fit cannot be gone on from \(.+\); the fit starts over"
        ):
            raise AssertionError(*again.said)


def test_the_state_of_another_fit_is_left_alone(
    problem: tuple[Any, Responses], held: TrainingData, tmp_path: Path
) -> None:
    streamed = load_training_data(*problem, ("global",), memory=120 * 20 / 1e9)
    other = load_training_data(problem[0], replace(problem[1], key="other"), ("global",))
    for foreign in (
        Fit(held, tmp_path / "fit", seed=1),
        Fit(held, tmp_path / "fit", replace(RECIPE, lr=0.1)),
        Fit(other, tmp_path / "fit"),
        Fit(streamed, tmp_path / "fit"),
    ):
        with pytest.raises(KeyboardInterrupt):
            Fit(held, tmp_path / "fit").run(interrupted_at(13))
        assert foreign.run() == Fit(foreign.data, None, foreign.recipe, foreign.seed).run()
        assert foreign.steps == STEPS
        assert "(it is of another fit); the fit starts over" in foreign.said[0]


@pytest.mark.usefixtures("always")
def test_a_full_disk_ends_the_fit_and_leaves_the_last_state(
    held: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    def refused(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        fill = interrupted_by(lambda: patch.setattr("brainbench.fitting.fit_store.save_file", full), at=10)
        with pytest.raises(StoreError, match=r"cannot write .*step-10.safetensors: .*No space left"):
            Fit(held, tmp_path / "fit").run(fill)
    with monkeypatch.context() as patch:
        fill = interrupted_by(lambda: patch.setattr("brainbench.fitting.fit_store.write_atomically", refused), at=3)
        with pytest.raises(StoreError, match="cannot write .*fit: the disk is full"):
            Fit(held, tmp_path / "fit").run(fill)
    assert not list((tmp_path / "fit").glob(".*.draft"))
    again = Fit(held, tmp_path / "fit")
    assert again.run() == Fit(held, None).run()
    assert again.steps == STEPS - 11


def test_a_state_says_in_plain_json_where_it_is(held: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        Fit(held, tmp_path / "fit").run(interrupted_at(13))
    facts = json.loads((tmp_path / "fit/state.json").read_text())["facts"]
    assert (facts["step"], len(facts["history"]), len(facts["losses"]), len(facts["best"])) == (13, 3, 1, 3)
