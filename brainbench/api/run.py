"""The Python door: ``brainbench.run`` takes what the command line takes, ``from_module`` makes a backbone of any module."""

from __future__ import annotations

import hashlib
import inspect
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image

from brainbench.backbones.checkpoints import state_sha256
from brainbench.backbones.module_backbone import ModuleBackbone
from brainbench.cards import BackboneCard
from brainbench.errors import UsageError
from brainbench.planning import estimate
from brainbench.planning.jobs import DEFAULT_ENCODERS, Request
from brainbench.records import Record
from brainbench.registry import installed
from brainbench.runner.benchmark import Benchmark
from brainbench.types import Weights
from brainbench.util.folders import Places, default_cache
from brainbench.util.progress import Reporter, Silent

if TYPE_CHECKING:
    from torch import Tensor, nn

Names = str | Sequence[str]


def run(
    backbones: Names | BackboneCard | Sequence[str | BackboneCard] = "all",
    encoders: Names = DEFAULT_ENCODERS,
    dataset: str = "demo",
    *,
    metrics: Names | None = None,
    data: str | Path | None = None,
    subjects: Names | int | Sequence[int] | None = None,
    seeds: int = 1,
    device: str = "auto",
    weights: Names | Mapping[str, str | Path] = (),
    set: Mapping[str, Any] | Sequence[str] = (),
    no_controls: bool = False,
    results: str | Path = "results",
    leaderboards: str | Path = "leaderboards",
    keep: str = "all",
    fresh: bool = False,
    dry_run: bool = False,
    report: Reporter | None = None,
) -> pd.DataFrame:
    """Run every backbone x encoder x subject x seed, write records and boards, and return the records as a frame.

    The arguments are the options of ``brainbench run``.

    Args:
        backbones: names, globs and ``A+B`` as on the command line (a comma list or a sequence), or what ``from_module`` returned.
        encoders: names and globs.
        dataset: a dataset's name.
        metrics: names and globs; None for those whose card says default.
        data: what ``--data`` names: the folder of your experiment.
        subjects: subjects' names; None for all.
        seeds: how many seeds, from 0.
        device: ``auto``, ``cpu`` or ``cuda``.
        weights: ``"untrained"``, or backbone name -> checkpoint file.
        set: ``{"factortopy.steps": 500, "demo.train_images": [100, 400]}``, or ``["factortopy.steps=500"]``.
        no_controls: leave out pixels, random, shuffled and the untrained twins.
        results: folder of the records.
        leaderboards: folder of the boards.
        keep: ``all``, or ``scores`` to keep records alone.
        fresh: run again what is already there.
        dry_run: run nothing; return one row a job with its estimated memory and disk in MB.
        report: hears what the run is doing; nothing is printed without one.

    Returns:
        One row a record: what it is about, ``status``, ``error``, its file (``record``), and a column a figure (``r2.all``,
        ``r2.V1``, ``hierarchy.slope`` ...).

    Raises:
        UsageError, DataError, StoreError: as the command line's exit code 2.
    """
    names, cards = _backbones(backbones)
    request = Request(
        backbones=names,
        encoders=_joined(encoders),
        metrics=None if metrics is None else _joined(metrics),
        dataset=dataset,
        data=None if data is None else Path(data),
        subjects=None if subjects is None else _joined(subjects),
        seeds=seeds,
        weights=_weights(weights),
        settings=_assignments(set),
        controls=not no_controls,
    )
    places = Places(Path(results), Path(leaderboards), default_cache())
    registry = installed().with_backbones(cards) if cards else installed()
    benchmark = Benchmark.open(request, registry, places, device=device, keep=keep, fresh=fresh)
    if dry_run:
        return pd.DataFrame(estimate.jobs(benchmark.plan, keep))
    return frame([*benchmark.run(report or Silent())], places.results)


def from_module(
    model: nn.Module,
    layers: Sequence[str],
    preprocess: Callable[[Image.Image], Tensor],
    *,
    name: str = "mymodel",
    **facts: Any,
) -> BackboneCard:
    """Make a backbone of any torch module in memory; give it to ``run(backbones=...)``.

    Args:
        model: the network; it is read as it is now, in eval mode.
        layers: names of its submodules, early to late (``dict(model.named_modules())``), whose outputs are the tokens:
            [B, C, H, W] maps, [B, N, C] sequences with or without a class token, or [B, C].
        preprocess: one RGB image -> [3, H, W].
        name: how boards call it.
        facts: further BackboneCard fields, e.g. ``licence`` or ``training_data``.

    Raises:
        UsageError: when ``layers`` is empty or names no submodule.
    """
    backbone = ModuleBackbone(model, layers, preprocess)
    identity = f"{state_sha256(model)} {model} {_code(model)} {list(layers)} {_recipe(preprocess)}"

    def load(*, weights: Weights, settings: Mapping[str, Any]) -> ModuleBackbone:
        if weights.kind == "file":
            raise UsageError(f"{name} was made in memory: load the file into the module before from_module")
        return backbone

    return BackboneCard(
        name=name,
        loader=load,
        summary=f"{type(model).__name__}, made in memory",
        weights="in memory",
        version=hashlib.sha256(identity.encode()).hexdigest(),
        layers=len(layers),
        **facts,
    )


def frame(records: Sequence[Record], folder: Path) -> pd.DataFrame:
    """Records as a table, one row each; folder: where they lie."""
    return pd.DataFrame([_flat(record, folder) for record in records])


def _flat(record: Record, folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "backbone": record.backbone.name,
        "weights": record.backbone.weights,
        "encoder": record.encoder.name if record.encoder else None,
        "dataset": record.dataset.name,
        "subject": record.dataset.subject,
        "seed": record.seed,
        "train_images": record.dataset.changed.get("train_images", 0),
        "status": record.status,
        "error": f"{record.failure.plugin}: {record.failure.type}: {record.failure.message}"
        if record.failure
        else None,
        "control": record.backbone.control,
        "key": record.key,
        "record": str(folder.absolute() / f"{record.key}.json"),
    }
    figures = {f"{m}.{name}": value for m, result in record.metrics.items() for name, value in result.values.items()}
    return row | figures | {"wall_s": record.cost.wall_s}


def _backbones(asked: Names | BackboneCard | Sequence[str | BackboneCard]) -> tuple[str, list[BackboneCard]]:
    several = [asked] if isinstance(asked, str | BackboneCard) else list(asked)
    cards = [one for one in several if isinstance(one, BackboneCard)]
    return ",".join(one.name if isinstance(one, BackboneCard) else one for one in several), cards


def _joined(names: Names | int | Sequence[int]) -> str:
    return str(names) if isinstance(names, str | int) else ",".join(str(name) for name in names)


def _weights(weights: Names | Mapping[str, str | Path]) -> tuple[str, ...]:
    if isinstance(weights, Mapping):
        return tuple(f"{name}={path}" for name, path in weights.items())
    return (weights,) if isinstance(weights, str) else tuple(weights)


def _assignments(given: Mapping[str, Any] | Sequence[str]) -> tuple[str, ...]:
    return (
        tuple(f"{name}={_text(value)}" for name, value in given.items()) if isinstance(given, Mapping) else tuple(given)
    )


def _text(value: Any) -> str:
    return ",".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value)


def _code(model: nn.Module) -> list[str]:
    """The source of every class in the network, as far as there is one: a forward that was edited is another network."""
    found = []
    for kind in {type(module) for module in model.modules()}:
        try:
            found.append(inspect.getsource(kind))
        except (OSError, TypeError):  # typed at a prompt
            found.append(kind.__qualname__)
    return sorted(found)


def _recipe(preprocess: Callable[[Image.Image], Tensor]) -> str:
    """What a preprocessing makes of two pictures of noise: constants, closures and the state of objects all show in it."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in ((48, 64), (400, 300))]
    try:
        made = [preprocess(Image.fromarray(picture)).numpy(force=True) for picture in noise]
    # One that takes other pictures only may raise anything. Nothing is known of it then, so it is like no other:
    # its features serve as long as the card that from_module returns, and are never taken for another's.
    except Exception:
        return uuid.uuid4().hex
    return " ".join(f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}" for array in made)
