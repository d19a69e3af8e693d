from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from brainbench import DataError, file_sha256
from brainbench.builtin.datasets.demo.scenes import scene
from tools.train_minis.loop import train
from tools.train_minis.objective import Objective, Recipe
from tools.train_minis.ship import ship
from tools.train_minis.stream import HELD_OUT, TRAIN, Stream, demo_digests

pytestmark = pytest.mark.slow

FAMILIES = ("imagenet", "clip", "mae", "mocov3", "dinov2", "sam", "sd")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.train_minis.stream._CHUNK", 20)


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    return Stream(TRAIN, tmp_path / "scenes")


def objective(family: str, seed: int = 0) -> Objective:
    if family in ("mae", "dinov2"):
        pytest.importorskip("lightly", reason="pip install 'brainbench[minis]'")
    made: Objective = import_module(f"tools.train_minis.objectives.{family}").make(seed)
    return made


def test_scenes_are_those_of_the_supply_across_chunks_and_files(tmp_path: Path, stream: Stream) -> None:
    taken = stream.take(15, 10)
    again = Stream(TRAIN, tmp_path / "scenes").take(15, 10)
    for row, index in enumerate(range(15, 25)):
        one = scene(TRAIN, index)
        assert (taken.images[row] == one.image).all()
        assert (taken.masks[row] == one.mask).all()
        assert taken.captions[row] == one.caption
    assert (again.images == taken.images).all()
    assert again.captions == taken.captions


def test_no_supply_shares_an_image_with_the_demo(stream: Stream, tmp_path: Path) -> None:
    demo = {scene(0, index).image.tobytes() for index in range(40)}
    for supply in (stream, Stream(HELD_OUT, tmp_path / "scenes")):
        assert not demo & {image.tobytes() for image in supply.take(0, 40).images}
    assert len(stream.take(0, 40).digests()) == 40


def test_a_scene_of_the_demo_is_found_by_its_content(stream: Stream, tmp_path: Path) -> None:
    demo = demo_digests(tmp_path)
    assert len(demo) == 1600
    assert stream.shared(50, demo) == 0
    two = [hashlib.sha256(scene(TRAIN, index).image.tobytes()).hexdigest() for index in (3, 45, 60)]
    assert stream.shared(50, demo | set(two)) == 2


class Counting:
    """A line fitted to brightness: quick, and random in every step."""

    recipe = Recipe(images=80, batch=8, rate=0.05)

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.module: nn.Module = nn.Linear(1, 1)
        self.seen: list[float] = []

    def loss(self, scenes: object, progress: float) -> Tensor:
        self.seen.append(progress)
        if len(self.seen) == self.stop:
            raise KeyboardInterrupt
        shown = torch.from_numpy(scenes.images).float().mean(dim=(1, 2, 3))[:, None] / 255  # type: ignore[attr-defined]
        return ((self.module(shown) - shown - torch.randn_like(shown)) ** 2).mean()

    stop = 0

    def after_step(self, progress: float) -> None:
        pass

    def figures(self, seen: object, held_out: object) -> Mapping[str, float]:
        return {}

    def state(self) -> Mapping[str, Tensor]:
        return self.module.state_dict()


def test_a_stopped_training_goes_on_to_the_same_weights(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brainbench.training.state_store._REST_S", -1.0)
    monkeypatch.setattr("brainbench.training.state_store._REST_COSTS", 0.0)
    whole, stopped, resumed = Counting(3), Counting(3), Counting(4)
    train(whole, whole.recipe, stream, tmp_path / "whole", 3, lambda text: None)
    stopped.stop = 6
    with pytest.raises(KeyboardInterrupt):
        train(stopped, stopped.recipe, stream, tmp_path / "stopped", 3, lambda text: None)
    train(resumed, resumed.recipe, stream, tmp_path / "stopped", 3, lambda text: None)
    assert len(resumed.seen) == 5
    for name, tensor in whole.state().items():
        assert torch.equal(tensor, resumed.state()[name]), name
    log = [json.loads(line) for line in (tmp_path / "stopped/log.jsonl").read_text().splitlines()]
    assert log[-1]["images"] == 80


def test_a_loss_that_is_not_finite_stops_the_training(stream: Stream, tmp_path: Path) -> None:
    broken = Counting(0)
    nn.init.constant_(broken.module.weight, float("nan"))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="the loss is nan at step 1 of 10, with learning rate 0.05: lower it"):
        train(broken, broken.recipe, stream, tmp_path / "broken", 0, lambda text: None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_every_objective_learns_from_a_few_scenes_it_sees_again_and_again(family: str, stream: Stream) -> None:
    one = objective(family)
    scenes = stream.take(0, 16)
    one.module.train()
    optimiser = torch.optim.AdamW([p for p in one.module.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(6):
        # The same draw every time: what is left to change the loss is the weights.
        torch.manual_seed(0)
        loss = one.loss(scenes, 0.5)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        one.after_step(0.5)
        losses.append(float(loss))
    assert losses[-1] < losses[0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_figures_come_with_their_chance(family: str, stream: Stream, tmp_path: Path) -> None:
    one = objective(family)
    one.module.eval()
    held_out = Stream(HELD_OUT, tmp_path / "scenes")
    with torch.no_grad():
        figures = one.figures(stream.take(0, 120), held_out.take(0, 220 if family == "clip" else 40))
    named = {name for name in figures if not name.startswith("chance_")}
    assert named
    assert {f"chance_{name}" for name in named} <= figures.keys()


def test_what_is_shipped_is_half_precision_and_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = objective("imagenet")
    facts = {
        "seed": 0,
        "loss": 0.5,
        "recipe": {"images": 1280},
        "held_out": {"place_accuracy": 0.9, "chance_place_accuracy": 0.0833},
        "untrained": {"place_accuracy": 0.08, "chance_place_accuracy": 0.0833},
    }
    path = ship(one, facts, tmp_path, None)
    assert path.stat().st_size <= 3_000_000
    assert path.stat().st_mode & 0o777 == 0o644
    told = json.loads((tmp_path / "mini.json").read_text())
    assert told["sha256"] == file_sha256(path)
    assert told["training_data"] == "1,280 scenes of the demo's generator, none of them in the demo"
    assert told["training"] == (
        "1,280 scenes, loss 0.5 at the end; on 2,000 others place accuracy 0.9 (untrained 0.08, chance 0.0833)"
    )
    monkeypatch.setattr("tools.train_minis.ship._LIMIT", 1000)
    with pytest.raises(RuntimeError, match="a plugin may ship 0 MB"):
        ship(one, facts, tmp_path, None)


def test_recipes_can_be_shortened() -> None:
    assert replace(Counting.recipe, images=8).batch == 8
