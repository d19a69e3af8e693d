"""What is found out about a dataset before a run, beside plain recomputations from what it was made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import layout
import numpy as np
import pandas as pd
import pytest
import toy
from experiment import write_experiment

from brainbench import DataError, DatasetCard, Part, PluginError, Responses, Stimuli, Surface, UsageError
from brainbench.commands.data_check import Inspection, inspect, recognise
from brainbench.registry import Registry, installed
from brainbench.util.progress import Silent

Look = Callable[..., Inspection]


def registry(*cards: DatasetCard) -> Registry:
    """Encoders by the names that a run has by default."""
    encoders = [toy.encoder("factortopy"), toy.encoder("classtoken")]
    return toy.registry([toy.backbone(layers=2, width=3)], encoders, datasets=cards)


@pytest.fixture
def look(tmp_path: Path) -> Look:
    def go(*cards: DatasetCard, path: Path, **asked: Any) -> Inspection:
        return inspect(path, registry(*cards), tmp_path / "cache", Silent(), **asked)

    return go


class Repeats(toy.ToyData):
    """Images are shown one to three times, six of a hundred never; a mesh, coordinates, a ceiling, dropped voxels."""

    shown = np.repeat(np.arange(94), np.arange(94) % 3 + 1)

    def stimuli(self, subject: str) -> Stimuli:
        made = super().stimuli(subject)
        return replace(made, digests=(made.digests[1], *made.digests[1:]), unmeasured=(98, 99))

    def responses(self, subject: str) -> Responses | None:
        made = super().responses(subject)
        assert made is not None
        coordinates = np.random.default_rng(3).normal(size=(6, 3)).astype(np.float32) * 40
        return replace(
            made,
            values=made.values[self.shown],
            stimulus=self.shown,
            split=made.split[self.shown],
            coordinates=coordinates,
            noise_ceiling=np.array([0.1, 0.9, 0.3, 0.2, 0.6, 0.35], np.float32),
            surface=Surface("ball", np.array(["left"] * 4 + ["right"] * 2), np.arange(6)),
            notes=("something was decided",),
            dropped=(2, 7),
        )


def anywhere(path: Path) -> Path:
    return path


def test_everything_is_what_a_plain_count_says(look: Look, tmp_path: Path) -> None:
    data = Repeats()
    found = look(toy.dataset(data, root=anywhere, needs_data=True), path=tmp_path).subjects["2"]
    responses = data.responses("2")
    assert responses is not None
    assert found.problem is None
    assert (found.copies, found.unmeasured) == (1, 2)
    rows = pd.Series(Repeats.shown).value_counts()
    alignment = found.alignment
    assert alignment is not None
    assert (alignment.fewest, alignment.most) == (rows.min(), rows.max()) == (1, 3)
    assert alignment.without == 100 - 2 - len(rows) == 4
    assert (alignment.first, alignment.last) == ("im000", f"im{Repeats.shown[-1]:03d}")
    ceiling = pd.Series(responses.noise_ceiling)
    expected = [ceiling.min(), *ceiling.quantile([0.25, 0.5, 0.75]), ceiling.max()]
    np.testing.assert_allclose(found.noise_ceiling, expected, atol=1e-4)  # type: ignore[arg-type]
    assert responses.coordinates is not None
    frame = pd.DataFrame(responses.coordinates)
    np.testing.assert_allclose(found.coordinates, [frame.min(), frame.max()], atol=1e-3)  # type: ignore[arg-type]
    assert found.mesh == {"name": "ball", "left": 4, "right": 2}
    assert found.notes == ("something was decided",)
    facts = found.facts
    assert facts is not None
    assert (facts.responses, facts.voxels, facts.dropped_voxels) == (len(Repeats.shown), 6, [2, 7])
    assert facts.rois == {"V1": 3, "EBA": 3}
    assert facts.split_hash == responses.split_hash
    assert facts.split_sizes == pd.Series(responses.split).value_counts().to_dict()


def test_what_a_run_takes_is_what_its_plan_says(look: Look, tmp_path: Path) -> None:
    layout.write(folder=tmp_path / "data", settings={"subjects": 2, "voxels": 5000})
    found = look(layout.card(), path=tmp_path / "data")
    assert found.disk is not None
    assert found.memory is not None
    # 30 images, two layers of three channels, 65 tokens, two bytes; both subjects saw the same images.
    assert found.disk.features == round(30 * 2 * 3 * 65 * 2 / 1e6, 1)
    sizes = [path.stat().st_size for path in (tmp_path / "data").rglob("responses.npy")]
    sizes.append((tmp_path / "data/layout.txt").stat().st_size)
    assert found.disk.dataset == round(sum(sizes) / 1e6, 1)
    assert found.command == f"brainbench run --dataset marked --data {tmp_path / 'data'}"
    assert not found.problems


def test_no_values_are_prepared(look: Look, tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "data")
    values = np.load(folder / "responses.npy")
    values[3, 1] = np.nan
    np.save(folder / "responses.npy", values)
    card = replace(installed().datasets.get("folder").card, root=anywhere)
    found = look(card, path=folder)
    (one,) = found.subjects.values()
    assert one.facts is not None
    assert one.facts.dropped_voxels == [1]
    assert {path.name for path in (tmp_path / "cache").rglob("*.np[yz]")} == {"verdict.npz"}
    assert {path.name for path in folder.iterdir()} == {"images", "responses.npy"}


def test_one_that_cannot_be_read_takes_no_other_along(look: Look, tmp_path: Path) -> None:
    layout.write(folder=tmp_path / "data", settings={"subjects": 3, "voxels": 5})
    (tmp_path / "data/subjects/s2/images/im07.png").write_bytes(b"no image")
    found = look(layout.card(), path=tmp_path / "data", settings=("marked.split_seed=3",))
    assert [one.problem is None for one in found.subjects.values()] == [True, False, True]
    (problem,) = found.problems
    assert problem.startswith("subject s2: image ")
    assert "im07.png cannot be decoded" in problem
    assert found.command is not None
    assert found.command.endswith(" --subjects s1,s3 --set marked.split_seed=3")
    assert found.subjects["s2"].files[0].what == "responses.npy"


def test_where_nothing_can_be_read_there_is_no_command(look: Look, tmp_path: Path) -> None:
    layout.write(folder=tmp_path / "data", settings={"subjects": 1, "voxels": 5})
    (tmp_path / "data/subjects/s1/responses.npy").unlink()
    (tmp_path / "data/subjects/s1/images/im07.png").write_bytes(b"no image")
    found = look(layout.card(), path=tmp_path / "data")
    assert len(found.problems) == 1
    assert (found.command, found.disk, found.memory) == (None, None, None)


def test_a_dataset_that_cannot_be_opened_still_shows_its_files(look: Look, tmp_path: Path) -> None:
    layout.write(folder=tmp_path / "data", settings={"subjects": 2, "voxels": 5})

    def load(**_: Any) -> Any:
        raise DataError("the whole cannot be read")

    card = replace(layout.card(), loader=load)
    found = look(card, path=tmp_path / "data")
    assert found.problems == ("the whole cannot be read",)
    assert [len(one.files) for one in found.subjects.values()] == [2, 2]
    assert found.files[0].what == "mark"
    assert list(look(card, path=tmp_path / "data", subjects="s2").subjects) == ["s2"]


def test_a_dataset_without_responses_is_run_with_the_metrics_it_can_have(look: Look, tmp_path: Path) -> None:
    card = toy.dataset(toy.ToyData(provides=frozenset()), root=anywhere, needs_data=True)
    found = look(card, path=tmp_path)
    assert found.subjects["1"].alignment is None
    assert found.command == f"brainbench run --dataset toydata --data {tmp_path} --metrics count"


def test_a_dataset_that_nothing_can_score_is_a_problem(tmp_path: Path) -> None:
    card = toy.dataset(toy.ToyData(provides=frozenset()), root=anywhere, needs_data=True)
    encoders = [toy.encoder("factortopy"), toy.encoder("classtoken")]
    few = toy.registry(encoders=encoders, metrics=[toy.R2], datasets=[card])
    found = inspect(tmp_path, few, tmp_path / "cache", Silent())
    assert found.command is None
    assert "every metric asked for needs some" in found.problems[0]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"settings": ("marked.split_sed=1",)}, "no setting 'split_sed' .did you mean 'split_seed'"),
        ({"settings": ("nobody.steps=1",)}, "unknown name 'nobody'"),
        ({"subjects": "s9"}, "--subjects s9: no such subject"),
    ],
)
def test_what_was_asked_wrongly_is_refused(look: Look, tmp_path: Path, asked: dict[str, Any], message: str) -> None:
    layout.write(folder=tmp_path / "data", settings={"subjects": 2, "voxels": 5})
    with pytest.raises(UsageError, match=message):
        look(layout.card(), path=tmp_path / "data", **asked)


def test_the_layout_whose_root_it_is_wins(tmp_path: Path) -> None:
    layout.write(folder=tmp_path / "data", settings={"subjects": 1, "voxels": 5})
    inner = layout.card("inner", root=lambda path: path / "subjects")
    known = registry(inner, layout.card())
    assert recognise(tmp_path / "data", None, known).name == "marked"
    assert recognise(tmp_path / "data", "marked", known).name == "marked"


def test_a_level_off_is_told_where_the_root_is(tmp_path: Path) -> None:
    place = tmp_path / "my data"
    layout.write(folder=place, settings={"subjects": 1, "voxels": 5})
    for off in (tmp_path, place / "subjects"):
        with pytest.raises(UsageError) as refused:
            recognise(off, None, registry(layout.card()))
        assert str(refused.value) == f"{off} is not the root of marked: did you mean '{place}'?"


def test_several_or_no_layouts_are_refused_with_what_is_known(tmp_path: Path) -> None:
    cards = [layout.card("one", root=anywhere), layout.card("two", root=anywhere), layout.card("three")]
    known = registry(*cards, toy.dataset())
    with pytest.raises(UsageError, match="has the layout of one and of two: say which, with --as one$"):
        recognise(tmp_path, None, known)
    assert recognise(tmp_path, "two", known).name == "two"
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no layout that is known; expected is one of three .the layout of three.$"):
        recognise(tmp_path / "empty", None, registry(layout.card("three"), toy.dataset()))
    with pytest.raises(UsageError, match="--as toydata: toydata has no layout to check; there are: one, three, two"):
        recognise(tmp_path, "toydata", known)
    with pytest.raises(UsageError, match="gone: nothing is there"):
        recognise(tmp_path / "gone", None, known)


def test_a_plugin_that_raises_is_named(tmp_path: Path) -> None:
    def broken(*_: Any, **__: Any) -> list[Part]:
        raise KeyError("oh")

    with pytest.raises(PluginError, match="dataset marked of toy-dist 1.0 failed to look at .*: KeyError: 'oh'"):
        recognise(tmp_path, None, registry(layout.card(root=broken)))
    card = layout.card(root=anywhere, contents=broken)
    with pytest.raises(PluginError, match="dataset marked of toy-dist 1.0 failed to list .*: KeyError: 'oh'"):
        inspect(tmp_path, registry(card), tmp_path / "cache", Silent())
