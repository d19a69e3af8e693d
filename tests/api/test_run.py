from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from experiment import write_experiment
from PIL import Image
from torch import Tensor, nn

import brainbench
from brainbench import BackboneCard, UsageError, from_module, square
from brainbench.cli import cli, main
from brainbench.util.progress import Advance

QUICK = {"classtoken.steps": 20}


class Lines:
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def task(self, label: str) -> Iterator[Advance]:
        yield lambda done, total, figure: None

    @property
    def outcomes(self) -> list[str]:
        """Of every job, in words; figures and seconds left out."""
        told = [line.split(": ", 1)[1] for line in self.lines if line.startswith("[")]
        return [text if text == "already done" else "computed" for text in told]


class Run:
    """``brainbench.run`` on the tiny experiment, with what it said in ``said``."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.said = Lines()

    def __call__(self, *arguments: Any, **asked: Any) -> pd.DataFrame:
        self.said = Lines()
        usual: dict[str, Any] = {"encoders": "classtoken", "dataset": "folder", "data": self.data}
        usual |= {"set": QUICK, "no_controls": True, "report": self.said}
        return brainbench.run(*arguments, **usual | asked)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("BRAINBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return Run(write_experiment(tmp_path / "mine"))


class Net(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.early, self.late = nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 6, 3, 2)
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)

    def forward(self, batch: Tensor) -> Tensor:
        middle: Tensor = self.early(batch)
        last: Tensor = self.late(middle.relu())
        return last


def scaled(side: int) -> Callable[[Image.Image], Tensor]:
    return lambda image: square(image, side)


def tiny(model: nn.Module | None = None, side: int = 16, **asked: Any) -> BackboneCard:
    return from_module(model or Net(), ["early", "late"], scaled(side), **{"name": "tiny", **asked})


def test_a_module_in_memory_gives_a_frame_and_a_board(run: Run, tmp_path: Path) -> None:
    frame = run(tiny(), metrics="r2", seeds=2)
    assert {"backbone", "encoder", "subject", "seed", "status", "error", "r2.all"} <= set(frame.columns)
    assert frame["record"].map(Path).map(Path.is_absolute).all()
    assert [json.loads(Path(path).read_text())["key"] for path in frame["record"]] == list(frame["key"])
    assert frame["backbone"].tolist() == ["tiny", "tiny"]
    assert frame["encoder"].tolist() == ["classtoken", "classtoken"]
    assert frame["subject"].tolist() == ["1", "1"]
    assert frame["seed"].tolist() == [0, 1]
    assert frame["status"].tolist() == ["done", "done"]
    assert frame["r2.all"].between(-1e4, 1).all()
    # The figure is the record's, and the board's.
    for row in frame.to_dict("records"):
        record = json.loads((tmp_path / f"results/{row['key']}.json").read_text())
        assert record["metrics"]["r2"]["values"]["all"] == row["r2.all"]
    board = pd.read_csv(tmp_path / "leaderboards/folder.csv")
    assert board["backbone"].tolist() == ["tiny"]
    assert f"{frame['r2.all'].mean():.3f}" in (tmp_path / "leaderboards/folder.md").read_text()


def test_the_same_module_twice_is_resumed(run: Run) -> None:
    first = run(tiny())
    assert set(run.said.outcomes) == {"computed"}
    again = run(tiny(Net(), side=16))
    assert set(run.said.outcomes) == {"already done"}
    pd.testing.assert_frame_equal(again, first)


class Other(Net):
    """The same submodules, another order of events."""

    def forward(self, batch: Tensor) -> Tensor:
        middle: Tensor = self.early(batch)
        last: Tensor = self.late(-middle)
        return last


Other.__name__ = "Net"  # so that print(model) shows no difference


@pytest.mark.parametrize(
    ("card", "same"),
    [
        (lambda: tiny(Net(seed=1)), False),
        (lambda: tiny(side=24), False),
        (lambda: tiny(Other()), False),
        (lambda: from_module(Net(), ["late"], scaled(16), name="tiny"), False),
        (lambda: from_module(Net(), ["early", "late"], partial(square, size=16), name="tiny"), True),
    ],
    ids=["weights", "closure", "forward", "layers", "the same in other words"],
)
def test_what_changes_the_tokens_changes_the_key(card: Callable[[], BackboneCard], same: bool) -> None:
    assert (card().version == tiny().version) == same


class Gained(Net):
    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, batch: Tensor) -> Tensor:
        return super().forward(batch * self.gain)


def hooked() -> Net:
    net = Net()
    net.early.register_forward_hook(lambda module, given, output: output.sin())
    return net


def hooked_for_white() -> Net:
    net = Net()
    net.early.register_forward_hook(lambda module, given, output: output + (given[0].amax() > 2.0) * output.flip(1))
    return net


def replaced() -> Net:
    net = Net()
    net.forward = lambda batch: net.late(net.early(batch))  # type: ignore[method-assign]
    return net


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: tiny(Gained(1)), lambda: tiny(Gained(50))),
        (tiny, lambda: tiny(hooked())),
        (tiny, lambda: tiny(hooked_for_white())),
        (tiny, lambda: tiny(replaced())),
        (
            lambda: from_module(Net(), {"a": "early"}, scaled(16), name="tiny"),
            lambda: from_module(Net(), {"a": "late"}, scaled(16), name="tiny"),
        ),
    ],
    ids=[
        "attribute",
        "hook",
        "hook that some pictures alone set off",
        "function on the object",
        "what a mapping points at",
    ],
)
def test_what_a_network_does_is_part_of_its_key(
    one: Callable[[], BackboneCard], other: Callable[[], BackboneCard]
) -> None:
    assert one().version != other().version
    assert one().version == one().version


@pytest.mark.slow
def test_a_network_trained_after_from_module_leaves_the_untrained_ones_results_alone(run: Run) -> None:
    net = Net()
    card, untouched = tiny(net), run(tiny(), metrics="r2")
    with torch.no_grad():
        net.early.weight.mul_(-3)
    trained = run(card, metrics="r2")
    assert run.said.outcomes == ["computed"]
    assert trained["r2.all"][0] != untouched["r2.all"][0]
    assert run(tiny(), metrics="r2")["r2.all"][0] == untouched["r2.all"][0]


def test_a_network_that_changes_while_a_run_is_under_way_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net()

    class Meddling(Lines):
        @contextmanager
        def task(self, label: str) -> Iterator[Advance]:
            yield lambda done, total, figure: None

        def message(self, text: str) -> None:
            super().message(text)
            net.early.weight.data.add_(1)

    frame = run([tiny(), tiny(net, name="later")], metrics="r2", report=Meddling())
    assert frame["status"].tolist() == ["done", "failed"]
    assert "later has changed while the run was under way" in frame["error"][1]


@pytest.mark.parametrize("training", [True, False])
def test_a_run_leaves_a_network_in_the_mode_it_found(run: Run, training: bool) -> None:
    net = Net().train(training)
    net.late.train(not training)
    parameters = list(net.parameters())
    run(tiny(net), metrics="r2")
    assert [net.training, net.early.training, net.late.training] == [training, training, not training]
    assert all(one is other for one, other in zip(net.parameters(), parameters, strict=True))


class Restless(Net):
    def forward(self, batch: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(batch, 0.5, training=True))


def flipped(image: Image.Image) -> Tensor:
    return square(image, 16).flip(2) if torch.rand(()) < 0.5 else square(image, 16)


@pytest.mark.parametrize(
    ("make", "preprocess", "message"),
    [
        (Restless, scaled(16), "the network gives another result each time .dropout"),
        (Net, flipped, "its preprocessing gives another result each time .a random"),
    ],
)
def test_a_network_or_a_preprocessing_that_is_random_is_refused(
    make: type[Net], preprocess: Callable[[Image.Image], Tensor], message: str
) -> None:
    net, state = make(), torch.random.get_rng_state()
    with pytest.raises(UsageError, match=message):
        from_module(net, ["late"], preprocess)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_other_weights_are_computed_anew_and_take_the_old_ones_place(run: Run, tmp_path: Path) -> None:
    first = run(tiny(), metrics="r2")
    second = run(tiny(Net(seed=1)), metrics="r2")
    assert run.said.outcomes == ["computed"]
    assert second["r2.all"][0] != first["r2.all"][0]
    assert len(pd.read_csv(tmp_path / "leaderboards/folder.csv")) == 1


def test_a_preprocessing_that_only_takes_its_own_pictures_is_still_a_backbone(run: Run) -> None:
    def picky(image: Image.Image) -> Tensor:
        if image.size != (16, 16):
            raise ValueError("16 x 16 only")
        return square(image, 16)

    frame = run(from_module(Net(), ["late"], picky), metrics="r2")
    assert frame["status"].tolist() == ["done"]
    assert frame["backbone"].tolist() == ["mymodel"]


class Breaks(Net):
    def forward(self, batch: Tensor) -> Tensor:
        raise RuntimeError("the weights\nare gone")


@pytest.mark.slow
def test_a_failing_module_is_a_row_that_says_so(run: Run) -> None:
    frame = run(["pixels", tiny(Breaks())], metrics="r2").set_index("backbone")
    assert frame["status"].to_dict() == {"pixels": "done", "tiny": "failed"}
    assert frame.loc["tiny", "error"] == "in memory 0: RuntimeError: the weights are gone"
    assert frame["r2.all"].notna().to_dict() == {"pixels": True, "tiny": False}


def test_a_layer_that_never_runs_is_a_row_that_names_it(run: Run) -> None:
    model = Net()
    model.spare = nn.Conv2d(3, 4, 1)
    frame = run(from_module(model, ["early", "spare"], scaled(16)), metrics="r2")
    assert frame["status"].tolist() == ["failed"]
    assert "layer spare: does not run in the forward pass of Net" in frame["error"][0]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["early", "latte"], r"Net has no submodule 'latte' \(did you mean 'late'\?\)"),
        ([], r"layers of Net: \[\] given, expected a list of names"),
        ("late", "layers of Net: 'late' given, expected a list of names"),
        (["late", "late"], "each may be named once"),
    ],
)
def test_layers_that_are_not_there_are_an_error_at_once(layers: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        from_module(Net(), layers, scaled(16))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"backbones": "pixel"}, r"unknown backbone 'pixel' \(did you mean 'pixels'\?\)"),
        ({"encoders": ["classtokn"]}, r"unknown encoder 'classtokn' \(did you mean 'classtoken'\?\)"),
        ({"metrics": ["r2", "slope"]}, "unknown metric 'slope'"),
        ({"set": {"classtoken.stepps": 3}}, r"no setting 'stepps' \(did you mean 'steps'\?\)"),
        ({"seeds": 0}, "at least 1"),
        ({"subjects": [1, 9]}, "no such subject; there are: 1"),
        ({"keep": "some"}, "allowed are all, scores"),
        ({"device": "tpu"}, "allowed are auto, cpu, cuda"),
        ({"weights": {"pixels": "x.pt"}}, "pixels has no weights to load"),
    ],
)
def test_bad_usage_is_an_error_before_anything_is_written(
    run: Run, tmp_path: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run(**{"backbones": "pixels", **asked})
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"mine"}


@pytest.mark.slow
def test_lists_and_comma_lists_are_the_same(run: Run) -> None:
    first = run("pixels,random", encoders="classtoken,classtoken", metrics="r2,layers", subjects="1")
    again = run(["pixels", "random"], encoders=["classtoken"], metrics=["r2", "layers"], subjects=[1])
    assert set(run.said.outcomes) == {"already done"}
    pd.testing.assert_frame_equal(again, first)
    assert set(first["backbone"]) == {"pixels", "random"}


def test_settings_reach_their_cards(run: Run, tmp_path: Path) -> None:
    frame = run("pixels", metrics="r2", set={"classtoken.steps": 4, "classtoken.lr": 0.01, "folder.split_seed": 3})
    record = json.loads((tmp_path / f"results/{frame['key'][0]}.json").read_text())
    assert record["encoder"]["changed"] == {"steps": 4, "lr": 0.01}
    assert record["history"][-1]["step"] == 4


def test_the_command_line_goes_on_from_a_run_in_python(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    frame = run("pixels")
    arguments = f"run --backbones pixels --encoders classtoken --dataset folder --data {run.data} --no-controls --json"
    with pytest.raises(SystemExit) as end:
        main([*arguments.split(), "--set", "classtoken.steps=20"])
    assert end.value.code == 0
    out, err = capsys.readouterr()
    assert [record["key"] for record in json.loads(out)] == frame["key"].tolist()
    assert err.count("already done") == len(frame)


def test_python_takes_what_the_command_line_takes() -> None:
    options = {option.opts[0].removeprefix("--").replace("-", "_") for option in cli.commands["run"].params}
    here = set(inspect.signature(brainbench.run).parameters)
    assert options - {"json"} == here - {"report"}
    defaults = {option.name: option.default for option in cli.commands["run"].params}
    for name in ("backbones", "encoders", "dataset", "seeds", "device", "keep", "results", "leaderboards"):
        assert str(inspect.signature(brainbench.run).parameters[name].default) == str(defaults[name])


def test_a_dry_run_gives_the_jobs_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    frame = run("pixels", dry_run=True)
    assert frame["encoder"].fillna("").tolist() == ["", "classtoken"]
    assert not (tmp_path / "results").exists()


def test_a_module_cannot_take_the_name_of_a_card(run: Run) -> None:
    card = from_module(Net(), ["early"], lambda image: square(image, 16), name="pixels")
    with pytest.raises(UsageError, match=r"from_module\(name='pixels'\): brainbench has a backbone of this name"):
        run(card)
