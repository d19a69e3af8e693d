"""What a fit keeps while it runs, and how long it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import toy

from brainbench.planning.request import Request
from brainbench.records import Record
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders
from brainbench.util.progress import Silent

Runs = Callable[..., list[Record]]


class Keeping(toy.ToyEncoder):
    """Writes into its folder, then does ``then``. seen: what lay there when each fit began."""

    def __init__(self, then: Callable[[], Any]) -> None:
        self.then, self.seen = then, list[list[str]]()

    def fit(self, features: Any, responses: Any, context: Any) -> Any:
        self.seen.append([path.name for path in context.folder.iterdir()] if context.folder.exists() else [])
        context.folder.mkdir(parents=True, exist_ok=True)
        (context.folder / "state").touch()
        context.message("state written")
        self.then()
        return super().fit(features, responses, context)


def interrupt() -> None:
    raise KeyboardInterrupt


def fail() -> None:
    raise RuntimeError("diverged")


@pytest.mark.parametrize("keep", ["all", "scores"])
def test_what_a_fit_keeps_lasts_until_its_record_is_written(runs: Runs, folders: Folders, keep: str) -> None:
    encoder = Keeping(interrupt)
    registry = toy.registry(encoders=[toy.encoder(make=lambda: encoder)])
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            runs(registry, metrics="r2", keep=keep)
        assert [path.name for path in (folders.results / ".fits").glob("*/*")] == ["state"]
    encoder.then = lambda: None
    runs(registry, metrics="r2", keep=keep)
    assert encoder.seen == [[], ["state"], ["state"], []]
    assert not list((folders.results / ".fits").iterdir())


def test_a_fit_that_fails_starts_over_and_so_does_a_fresh_one(runs: Runs, folders: Folders) -> None:
    encoder = Keeping(fail)
    registry = toy.registry(encoders=[toy.encoder(make=lambda: encoder)])
    assert {record.status for record in runs(registry, metrics="r2", subjects="1")} == {"failed"}
    assert not list((folders.results / ".fits").iterdir())
    encoder.then = interrupt
    for fresh in (False, True):
        with pytest.raises(KeyboardInterrupt):
            runs(registry, metrics="r2", subjects="1", fresh=fresh)
    assert encoder.seen == [[], [], []]


def test_what_a_kill_after_the_record_left_is_removed(runs: Runs, folders: Folders) -> None:
    (record,) = runs(metrics="r2", subjects="1")
    (folders.results / ".fits" / record.key).mkdir(parents=True)
    runs(metrics="r2", subjects="1")
    assert not list((folders.results / ".fits").iterdir())


def test_what_a_fit_says_comes_with_its_job(folders: Folders) -> None:
    class Heard(Silent):
        def message(self, text: str) -> None:
            said.append(text)

    said: list[str] = []
    registry = toy.registry(encoders=[toy.encoder(make=lambda: Keeping(lambda: None))])
    request = Request(dataset="toydata", encoders="toyfit", metrics="r2", subjects="1")
    list(Benchmark.open(request, registry, folders, device="cpu").run(Heard()))
    (line,) = [text for text in said if "state written" in text]
    assert line == f"{next(t for t in said if t.startswith('[1/1]'))[6:].rsplit(': ', 1)[0]}: state written"
