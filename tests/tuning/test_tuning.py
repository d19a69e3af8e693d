"""A tuned network: the bytes of a bare script, a name that runs select, and a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tuned
from safetensors.torch import load_file
from torch import nn

from brainbench import UsageError, Weights
from brainbench.backbones.tuned_weights import all_tuned, find_tuned
from brainbench.commands.tune import Outcome, TuneRequest, tune
from brainbench.planning.request import Request
from brainbench.records import Record
from brainbench.runner.benchmark import Benchmark
from brainbench.tuning.network import mlp_head
from brainbench.tuning.tables import write_tables
from brainbench.tuning.task import draw
from brainbench.util.folders import Folders
from brainbench.util.progress import Advance, Reporter, Silent

pytestmark = pytest.mark.slow

STEPS, PER_CLASS, HIDDEN = 20, 5, 8
SHORT = (f"tune.steps={STEPS}", f"tune.hidden={HIDDEN}", "tune.lr=0.01")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRAINBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tunings(cache: Path, report: Reporter | None = None, *more: str, **asked: Any) -> list[Outcome]:
    asked = {"backbones": "tiny/net", "dataset": "colours", "images_per_class": PER_CLASS, **asked}
    request = TuneRequest(settings=(*SHORT, *more), **asked)
    return [outcome for _, outcome in tune(request, tuned.registry(), cache, "cpu", report or Silent())]


def weights(name: str) -> dict[str, torch.Tensor]:
    network = find_tuned(name)
    assert network is not None
    return load_file(network.weights)


def by_hand(layer: int = 1) -> tuple[nn.Module, nn.Module]:
    """The same tuning as a script that knows nothing of brainbench's loop."""
    backbone = tuned.load_tiny(weights=Weights("release"), settings={})
    data = tuned.load_colours(settings={}, data=None, cache=Path())
    rows = draw(data.labels("all"), PER_CLASS, 0).train
    network = backbone.module
    assert network is not None
    network.eval().requires_grad_(True)
    head = mlp_head((6, 5)[layer], HIDDEN, 3, 0)
    optimiser = torch.optim.AdamW([*network.parameters(), *head.parameters()], lr=0.01, weight_decay=0.01)
    for step in range(STEPS):
        places = range(step * 4, step * 4 + 4)
        chosen = [
            int(np.random.default_rng([0, place // len(rows)]).permutation(rows)[place % len(rows)]) for place in places
        ]
        batch = torch.stack([backbone.preprocess(data.stimuli("all").open(row)) for row in chosen])
        first = network.first(batch)  # type: ignore[operator]
        token = (first if layer == 0 else network.second(first)).mean(dim=(2, 3))  # type: ignore[operator]
        loss = nn.functional.cross_entropy(head(token), torch.from_numpy(data.labels("all").values[chosen]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network, head


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_twenty_steps_equal_a_bare_script_to_the_bit(cache: Path) -> None:
    assert tunings(cache) == [Outcome("tiny/net@colours")]
    network, head = by_hand()
    assert same(weights("tiny/net@colours"), network.state_dict())
    (one,) = all_tuned(cache)
    assert same(load_file(one.folder / "head.safetensors"), head.state_dict())
    assert not same(network.state_dict(), tuned.load_tiny(weights=Weights("release"), settings={}).module.state_dict())  # type: ignore[union-attr]
    assert tunings(cache) == [Outcome("tiny/net@colours", there=True)]


def test_a_head_at_an_earlier_layer_leaves_the_later_ones_alone(cache: Path) -> None:
    tunings(cache, layers="all")
    found, before = weights("tiny/net@colours/layer-1"), tuned.load_tiny(weights=Weights("release"), settings={}).module
    assert before is not None
    assert same(found, by_hand(layer=0)[0].state_dict())
    assert torch.equal(found["second.weight"], before.state_dict()["second.weight"])
    assert find_tuned("tiny/net@colours") is not None


class Interrupting:
    """Presses Ctrl-C after some steps of the training."""

    def __init__(self, step: int) -> None:
        self.step = step

    def message(self, text: str) -> None:
        pass

    @contextmanager
    def task(self, label: str) -> Iterator[Advance]:
        def advance(done: int, total: int, text: str) -> None:
            if label.endswith("tuning") and done == self.step:
                raise KeyboardInterrupt

        yield advance


def test_a_killed_tuning_ends_in_the_same_bytes(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tunings(cache)
    (whole,) = all_tuned(cache)
    monkeypatch.setenv("BRAINBENCH_CACHE", str(tmp_path / "other"))
    with pytest.raises(KeyboardInterrupt, match="kept after step 7 of 20"):
        tunings(tmp_path / "other", Interrupting(7))
    assert find_tuned("tiny/net@colours") is None
    assert tunings(tmp_path / "other") == [Outcome("tiny/net@colours")]
    (resumed,) = all_tuned(tmp_path / "other")
    assert resumed.folder.name == whole.folder.name
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()
    assert {**resumed.record(), "wall_s": 0} == {**whole.record(), "wall_s": 0}
    assert not list((tmp_path / "other/tuned/.states").rglob("*.pt"))


Runs = Callable[..., list[Record]]


@pytest.fixture
def runs(tmp_path: Path, cache: Path) -> Runs:
    folders = Folders(tmp_path / "results", tmp_path / "leaderboards", cache)

    def go(backbones: str, **asked: Any) -> list[Record]:
        request = Request(
            **{"dataset": "toydata", "encoders": "toyfit", "subjects": "1", "backbones": backbones, **asked}
        )
        return list(Benchmark.open(request, tuned.registry(), folders, device="cpu").run(Silent()))

    return go


def r2(records: list[Record], name: str) -> float:
    (found,) = [record for record in records if record.backbone.name == name and record.encoder]
    assert found.failure is None
    return found.metrics["r2"].values["all"]


def test_a_tuned_network_is_a_network_like_any_other(cache: Path, runs: Runs) -> None:
    tunings(cache, seeds=2)
    records = runs("tiny/net,tiny/net@colours,*/net@colours/seed-1")
    names = {record.backbone.name: record.backbone for record in records}
    assert {"tiny/net", "tiny/net@untrained", "tiny/net@colours", "tiny/net@colours/seed-1"} <= names.keys()
    facts = names["tiny/net@colours"]
    network = find_tuned("tiny/net@colours")
    assert network is not None
    assert facts.weights == f"tuned:{network.record()['weights_sha256'][:8]}"
    assert facts.weights_source == "tiny-1, tuned on colours"
    assert not facts.control
    assert len({r2(records, name) for name in names if name.startswith("tiny")}) == 4


def test_tuning_the_head_alone_leaves_r2_exactly_as_it_was(cache: Path, runs: Runs) -> None:
    tunings(cache, None, "tune.trains=head")
    records = runs("tiny/net,tiny/net@colours")
    assert r2(records, "tiny/net") == r2(records, "tiny/net@colours")
    assert runs("tiny/net@colours")[0].backbone.weights_sha256 == records[0].backbone.weights_sha256


def test_a_name_means_the_last_network_tuned_under_it(cache: Path, runs: Runs) -> None:
    tunings(cache)
    first = runs("tiny/net@colours")[0].key
    tunings(cache, None, "tune.batch=2")
    second = runs("tiny/net@colours")[0].key
    assert first != second
    assert tunings(cache) == [Outcome("tiny/net@colours", there=True)]
    assert runs("tiny/net@colours")[0].key == first


@pytest.mark.usefixtures("cache")
def test_a_network_that_was_not_tuned_is_named_with_the_command(runs: Runs) -> None:
    message = "tiny/net@colours/seed-3: not tuned yet; `brainbench tune tiny/net --on colours` makes it"
    with pytest.raises(UsageError, match=message):
        runs("tiny/net@colours/seed-3")
    with pytest.raises(UsageError, match=r"unknown backbone 'tiny/nut' \(did you mean"):
        runs("tiny/nut@colours")


def test_damaged_weights_are_never_loaded(cache: Path, runs: Runs) -> None:
    tunings(cache)
    network = find_tuned("tiny/net@colours")
    assert network is not None
    content = bytearray(network.weights.read_bytes())
    content[-1] ^= 1
    network.weights.write_bytes(content)
    (record, *_) = [one for one in runs("tiny/net@colours", controls=False) if one.encoder]
    assert record.failure is not None
    assert "is damaged: delete the folder and run the same `brainbench tune` again" in record.failure.message
    assert tunings(cache) == [Outcome("tiny/net@colours", there=True)]
    assert same(weights("tiny/net@colours"), by_hand()[0].state_dict())


def test_a_loss_that_is_not_finite_fails_that_tuning_alone(cache: Path) -> None:
    (failed,) = tunings(cache, None, "tune.lr=1e30")
    assert failed.problem is not None
    assert "the loss is nan at step 2 of 20, with learning rate 1e+30: lower it" in failed.problem
    assert find_tuned("tiny/net@colours") is None


def test_a_network_without_a_module_or_gradients_says_so(cache: Path) -> None:
    (failed,) = tunings(cache, backbones="toy/net")
    assert failed.problem is not None
    assert "toy/net has no module to tune" in failed.problem


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"dataset": "toydata"}, "--on toydata: this dataset has no labels"),
        (
            {"layers": "3"},
            r"--head-layer 3: tiny/net has no such layer; allowed are 1 to 2, their names \(first to second\)",
        ),
        ({"called": "a/b"}, "--as a/b: a task's name has none of the signs"),
        (
            {"backbones": "tiny/net@untrained"},
            "tiny/net@untrained: only a single network with its own weights can be tuned",
        ),
        ({"seeds": 0}, "--seeds 0: must be at least 1"),
    ],
)
def test_what_a_bad_request_gets(cache: Path, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tunings(cache, **asked)


def test_a_setting_that_the_recipe_lacks_is_an_error(cache: Path) -> None:
    with pytest.raises(UsageError, match=r"tune has no setting 'step' \(did you mean 'steps'\?\)"):
        tunings(cache, None, "tune.step=3")


def test_tables_have_every_row_and_only_pool_seeds(cache: Path, tmp_path: Path) -> None:
    tunings(cache, seeds=2, layers="all", called="hues")
    page, table = write_tables("hues", cache, tmp_path / "boards")
    text = page.read_text()
    assert "| tiny/net images_per_class=5 steps=20 lr=0.01 hidden=8 | tiny-1" in text
    assert text.count("linear probe |") == 1
    assert "## By the layer of the head" in text
    assert len(table.read_text().splitlines()) == 1 + 2 * 2 * 3
    records = [one.record() for one in all_tuned(cache)]
    assert {one["name"] for one in records} == {
        f"tiny/net@hues{layer}{seed}" for layer in ("", "/layer-1") for seed in ("", "/seed-1")
    }
    assert [one["cka"]["second"] is not None for one in records] == [True] * 4
