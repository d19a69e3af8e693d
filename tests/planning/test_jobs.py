"""Which jobs are made of several backbones as one, and where layers are read."""

from __future__ import annotations

import gc
import re
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import toy

from brainbench import BackboneCard, DataError, EncoderCard, Setting, UsageError
from brainbench.planning.jobs import Job
from brainbench.planning.request import Request
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders

TAP = Setting("tap", str, "attention", "where layers are read", ("block", "attention"))
BACKBONES = [
    toy.backbone("a/one", weights="v1", taps=("block", "attention")),
    toy.backbone("b/one", weights="v2"),
]
ENCODERS = [toy.encoder(), toy.encoder("both", joint=True), toy.encoder("tapped", joint=True, settings=(TAP,))]


def opened(
    tmp_path: Path,
    backbones: str,
    encoders: str = "both",
    *settings: str,
    metrics: str | None = None,
    data: toy.ToyData | None = None,
    offered: list[EncoderCard] = ENCODERS,
    cards: list[BackboneCard] = BACKBONES,
) -> Benchmark:
    request = Request(
        backbones, encoders, metrics, "toydata", subjects="1", settings=settings, controls=False, data=None
    )
    registry = toy.registry(cards, offered, datasets=[toy.dataset(data)])
    folders = Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")
    return Benchmark.open(request, registry, folders, device="cpu")


def named(jobs: tuple[Job, ...]) -> list[tuple[str, str | None, list[str]]]:
    return [(j.backbone.display, j.encoder.name if j.encoder else None, [m.name for m in j.metrics]) for j in jobs]


class Telling(toy.ToyData):
    """Tells of its subjects; the second cannot be read."""

    now = "as it was"

    def content(self, subject: str) -> str:
        if subject == "2":
            raise DataError("subject 2: no responses")
        return self.now


def test_what_a_dataset_tells_of_a_subject_is_in_its_jobs_keys(tmp_path: Path) -> None:
    before = opened(tmp_path, "a/one", data=Telling()).plan
    plain = opened(tmp_path, "a/one", data=toy.ToyData()).plan
    changed = Telling()
    changed.now = "changed"
    after = opened(tmp_path, "a/one", data=changed).plan
    keys = [tuple(job.key for job in plan.jobs) for plan in (before, plain, after)]
    assert len(set(sum(keys, ()))) == 3 * len(keys[0])
    assert list(before.data.contents) == ["1"]
    assert before.data.contents != after.data.contents
    assert plain.data.contents == {}


@pytest.mark.parametrize(("part", "name"), [("title", "a\nb"), ("subjects", "-x")])
def test_titles_and_subjects_that_would_break_a_board_are_refused(tmp_path: Path, part: str, name: str) -> None:
    data = toy.ToyData()
    setattr(data, part, name if part == "title" else (name,))
    with pytest.raises(DataError, match=re.escape(f"dataset toydata: the title or subject {name!r}: it ")):
        opened(tmp_path, "a/one", data=data)


def test_only_encoders_that_say_so_take_several_as_one(tmp_path: Path) -> None:
    jobs = opened(tmp_path, "a/one+b/one,a/one", "toyfit,both").plan.jobs
    assert named(jobs) == [
        ("a/one+b/one", "both", ["r2"]),
        ("a/one", None, ["count"]),
        ("a/one", "toyfit", ["r2"]),
        ("a/one", "both", ["r2"]),
    ]


def test_its_features_are_asked_of_each_member_as_if_it_ran_alone(tmp_path: Path) -> None:
    plan = opened(tmp_path, "b/one+a/one,a/one,b/one", "both").plan
    joint, *alone = [job for job in plan.jobs if job.encoder]
    assert [one.key for one in joint.tokens.networks] == [
        job.tokens.key for job in sorted(alone, key=lambda job: job.backbone.display, reverse=True)
    ]
    assert [one.key for one in alone[0].tokens.networks] == [alone[0].tokens.key]
    assert len({job.key for job in plan.jobs}) == len(plan.jobs)


def test_order_and_members_are_a_part_of_the_key(tmp_path: Path) -> None:
    keys = [opened(tmp_path, name).plan.jobs[0].key for name in ("a/one+b/one", "b/one+a/one", "a/one+b/one@untrained")]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("encoders", "metrics", "provides"),
    [("toyfit", None, {"responses"}), ("both", "count", {"responses"}), ("both", "count", set())],
)
def test_where_nothing_reads_it_the_encoders_that_would_are_named(
    tmp_path: Path, encoders: str, metrics: str | None, provides: set[str]
) -> None:
    data = toy.ToyData(provides=frozenset(provides))
    message = r"a/one\+b/one: nothing requested accepts a joint backbone\. .*\(both, tapped\); or separate the names with commas"
    with pytest.raises(UsageError, match=message):
        opened(tmp_path, "a/one,a/one+b/one", encoders, metrics=metrics, data=data)


def test_where_no_such_encoder_is_installed_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none is installed, one comes with: pip install brainbench-plugin-alignedcut"):
        opened(tmp_path, "a/one+b/one", "toyfit", offered=[toy.encoder()])


def taps(benchmark: Benchmark) -> list[tuple[str, str, dict[str, object]]]:
    return [
        (job.backbone.display, job.encoder.name, dict(job.backbone.changed))
        for job in benchmark.plan.jobs
        if job.encoder
    ]


def test_an_encoders_tap_is_read_where_the_backbone_offers_it(tmp_path: Path) -> None:
    jobs = opened(tmp_path, "a/one,b/one", "both,tapped").plan.jobs
    at = {(j.backbone.display, j.encoder.name): j for j in jobs if j.encoder}
    assert at["a/one", "tapped"].backbone.changed == {"tap": "attention"}
    assert at["a/one", "both"].backbone.changed == {}
    assert at["a/one", "tapped"].tokens.key != at["a/one", "both"].tokens.key
    assert at["b/one", "tapped"].tokens.key == at["b/one", "both"].tokens.key


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ((), {"a/one.tap": "attention"}),
        (("a.tap=block",), {}),
        (("tapped.tap=block",), {}),
        (("tapped.tap=block", "a/one.tap=attention"), {"a/one.tap": "attention"}),
    ],
)
def test_what_somebody_set_for_the_backbone_holds(
    tmp_path: Path, settings: tuple[str, ...], expected: dict[str, object]
) -> None:
    assert taps(opened(tmp_path, "a/one+b/one", "tapped", *settings)) == [("a/one+b/one", "tapped", expected)]


def test_the_settings_of_a_member_are_those_of_its_card(tmp_path: Path) -> None:
    cards = [replace(BACKBONES[0], settings=(Setting("zoom", int, 1, "how much"),)), BACKBONES[1]]
    jobs = opened(tmp_path, "a/one+b/one", "both", "a.zoom=2", cards=cards).plan.jobs
    assert jobs[0].backbone.changed == {"a/one.zoom": 2}


def test_a_plan_hashes_the_images_of_a_subject_once(tmp_path: Path) -> None:
    plan = opened(tmp_path, "a/one,b/one").plan
    assert len({job.tokens.backbone.name for job in plan.jobs}) == 2
    assert len({id(job.tokens.stimuli) for job in plan.jobs}) == 1


@pytest.mark.slow
def test_copies_with_fewer_training_images_are_not_collected(tmp_path: Path) -> None:
    data = opened(tmp_path, "a/one").plan.data
    first = data.responses("1", 2)
    assert data.responses("1", 2) is first
    kept = weakref.ref(first.values)
    del first
    assert data.responses("1", 3) is not None
    gc.collect()
    assert kept() is None
    assert data.responses("1") is data.responses("1")
