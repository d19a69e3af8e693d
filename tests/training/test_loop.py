"""The loop equals a bare torch script to the bit, resumes to the same bytes, and never loads a state that is not whole."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from brainbench import DataError
from brainbench.training import StateStore, TrainingPlan, train, warmup_cosine

pytestmark = pytest.mark.slow

STEPS = 20
IMAGES = torch.linspace(-1, 1, 24 * 5).reshape(24, 5)
LABELS = torch.arange(24) % 3


class Net(nn.Module):
    """Random in every step, and with buffers that change."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.layers = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3))

    def loss(self, step: int) -> Tensor:
        rows = torch.arange(4) + 4 * (step % 6)
        return nn.functional.cross_entropy(self.layers(IMAGES[rows]), LABELS[rows])


def adamw(net: nn.Module, rate: float = 1e-2) -> torch.optim.Optimizer:
    return torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state after every step."""
    monkeypatch.setattr("brainbench.training.state_store._REST_S", -1.0)
    monkeypatch.setattr("brainbench.training.state_store._REST_COSTS", 0.0)


def bare_script() -> Net:
    net = Net()
    optimiser = adamw(net)
    with torch.random.fork_rng(devices=[]):
        for step in range(STEPS):
            progress = step / STEPS
            optimiser.param_groups[0]["lr"] = 1e-2 * (
                progress / 0.25 if progress < 0.25 else 0.5 * (1 + math.cos(math.pi * (progress - 0.25) / 0.75))
            )
            torch.manual_seed(3 * 1_000_003 + step)
            optimiser.zero_grad()
            net.loss(step).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimiser.step()
    return net


PLAN = TrainingPlan(STEPS, seed=3, schedule=warmup_cosine(0.25), clip=0.5, log_every=7)


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_it_equals_a_bare_script_and_leaves_the_random_numbers_alone() -> None:
    net, before = Net(), torch.get_rng_state()
    log = train(net.loss, net, adamw(net), PLAN)
    assert torch.equal(before, torch.get_rng_state())
    assert same(net, bare_script())
    assert [line["step"] for line in log] == [7, 14, 20]


@pytest.mark.parametrize("stop", [1, 6, 7, 19])
@pytest.mark.usefixtures("eager")
def test_an_interrupted_training_ends_in_the_same_bytes_and_log(stop: int, tmp_path: Path) -> None:
    whole, said = Net(), list[str]()
    log = train(whole.loss, whole, adamw(whole), PLAN)

    def interrupt(done: int, total: int, text: str) -> None:
        if done == stop:
            raise KeyboardInterrupt

    net = Net()
    with pytest.raises(KeyboardInterrupt, match=f"kept after step {stop} of 20"):
        train(net.loss, net, adamw(net), PLAN, store=StateStore(tmp_path, "one"), progress=interrupt)
    resumed = Net()
    again = train(resumed.loss, resumed, adamw(resumed), PLAN, store=StateStore(tmp_path, "one"), message=said.append)
    assert said == [f"resumes after step {stop} of 20"]
    assert same(resumed, whole)
    assert again == log


@pytest.mark.usefixtures("eager")
def test_a_damaged_state_and_one_of_another_training_are_not_loaded(tmp_path: Path) -> None:
    net = Net()
    store = StateStore(tmp_path, "one")
    train(net.loss, net, adamw(net), PLAN, store=store)
    (only,) = tmp_path.glob("step-*.pt")
    assert store.load() is not None
    assert StateStore(tmp_path, "other").load() is None
    train(net.loss, net, adamw(net), PLAN, store=store)
    content = bytearray(only.read_bytes())
    content[len(content) // 2] ^= 1
    only.write_bytes(content)
    assert store.load() is None
    assert not list(tmp_path.glob("step-*"))


def test_a_state_that_was_half_written_leaves_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = StateStore(tmp_path, "one")
    store.save(1, {"value": 1})

    def killed(content: object, draft: Path) -> None:
        draft.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("brainbench.training.state_store.torch.save", killed)
    with pytest.raises(KeyboardInterrupt):
        store.save(2, {"value": 2})
    assert store.load() == (1, {"value": 1})
    store.remove()
    assert store.load() is None


@pytest.mark.usefixtures("eager")
def test_a_loss_that_is_not_finite_names_the_step_and_is_not_taken(tmp_path: Path) -> None:
    net, store = Net(), StateStore(tmp_path, "one")

    def loss_of(step: int) -> Tensor:
        return net.loss(step) * (float("nan") if step == 4 else 1)

    with pytest.raises(DataError, match="the loss is nan at step 5 of 20, with learning rate 0.01: lower it"):
        train(loss_of, net, adamw(net), PLAN, store=store)
    found = store.load()
    assert found is not None
    assert found[0] == 4
    assert all(value.isfinite().all() for value in found[1]["module"].values())


def test_figures_of_the_user_are_in_the_log_and_in_the_progress() -> None:
    net, shown = Net(), list[str]()
    log = train(
        net.loss,
        net,
        adamw(net),
        TrainingPlan(4),
        after_step=lambda step: {"accuracy": 0.25} if step == 2 else {},
        progress=lambda done, total, text: shown.append(text),
    )
    assert [(line["step"], line.get("accuracy")) for line in log] == [(2, 0.25), (4, None)]
    assert "accuracy 0.250" in shown[1]
