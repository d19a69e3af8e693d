"""The toy plugin as an installed one that stops at one place of a run, so that a test can do something to it there.

``$PAUSE_AT`` is ``tokens:5`` (the fifth batch of this process), ``fit:3`` (the third fit of the toy encoder), ``step:7`` (the seventh
training step of any other) or, before something gets its final name, ``store:2`` (the second feature store), ``chunk:2`` (a chunk's file in it), ``.json:2`` (the second file of that kind).
``$PAUSE_FILE`` appears when the run stands there; it goes on when ``$PAUSE_FILE.go`` does. At its end ``$PAUSE_FILE.count``
says how often each place was passed. Fits keep their state after every step.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import toy

from brainbench import BackboneCard, DatasetCard, EncoderCard, MetricCard, Tokens, hookimpl
from brainbench.fitting import fit_store
from brainbench.fitting.adamw import AdamW

_file = Path(os.environ["PAUSE_FILE"])
_passed: Counter[str] = Counter()
_replace, _step = Path.replace, AdamW.step


def _pause(place: str) -> None:
    _passed[place] += 1
    if os.environ.get("PAUSE_AT") == f"{place}:{_passed[place]}":
        _file.touch()
        while not _file.with_suffix(".go").exists():
            time.sleep(0.01)


class Net(toy.ToyNet):
    def tokens(self, batch: torch.Tensor) -> Tokens:
        _pause("tokens")
        return super().tokens(batch)


class Encoder(toy.ToyEncoder):
    def fit(self, *arguments: Any) -> toy.ToyFitted:
        _pause("fit")
        return super().fit(*arguments)


def _paused_replace(draft: Path, target: str | Path) -> Path:
    """Whatever is written is written under another name first: between the two is where a kill could hurt."""
    parts = Path(target).parts
    if draft.suffix != ".partial":  # brainbench's own drafts; zarr's are those of single files
        _pause(Path(target).suffix or ("store" if "features" in parts else "other"))
    elif "features" in parts and "c" in parts:
        _pause("chunk")
    return _replace(draft, target)


def _paused_step(optimiser: AdamW, rates: Sequence[float]) -> None:
    _pause("step")
    _step(optimiser, rates)


fit_store._REST_S = fit_store._REST_COSTS = -1.0
AdamW.step = _paused_step  # type: ignore[method-assign]
Path.replace = _paused_replace  # type: ignore[method-assign, assignment]
atexit.register(lambda: _file.with_suffix(".count").write_text(json.dumps(_passed)))
# A test run in the background may have been started with the signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


@hookimpl
def register_backbones() -> list[BackboneCard]:
    return [toy.backbone(f"pausing/{name}", make=partial(Net, scale)) for name, scale in (("one", 1.0), ("two", 0.5))]


@hookimpl
def register_encoders() -> list[EncoderCard]:
    return [toy.encoder("pausingfit", make=Encoder)]


@hookimpl
def register_metrics() -> list[MetricCard]:
    return [toy.COUNT]


@hookimpl
def register_datasets() -> list[DatasetCard]:
    return [toy.dataset(toy.ToyData(count=200))]
