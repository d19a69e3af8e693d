"""The work behind ``brainbench tune``: names and a task -> tunings, their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from brainbench.errors import BrainbenchError, UsageError, did_you_mean
from brainbench.planning.backbones import pick_backbones
from brainbench.planning.dataset import open_dataset
from brainbench.planning.picks import BackbonePick
from brainbench.planning.settings import Assignments
from brainbench.plugins import blamed
from brainbench.registry import Registry
from brainbench.runner import load_backbone
from brainbench.tuning.recipe import TUNE, recipe
from brainbench.tuning.task import Task
from brainbench.tuning.tuner import Tuning
from brainbench.util.progress import Reporter

LAST = "last"


@dataclass(frozen=True)
class TuneRequest:
    """What the user asks for.

    layers: ``last``, ``all``, or numbers and names with commas; called: the task's name, if not the dataset's; weights: as for
    a run.
    """

    backbones: str
    dataset: str
    data: Path | None = None
    seeds: int = 1
    images_per_class: int = 50
    layers: str = LAST
    called: str | None = None
    weights: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of one tuning. there: whether it was in the cache; problem: why it failed."""

    name: str
    there: bool = False
    problem: str | None = None


def tune(
    request: TuneRequest, registry: Registry, cache: Path, device: str, report: Reporter
) -> Iterator[tuple[Task, Outcome]]:
    """Tune every network at every layer with every seed; one that fails does not stop the others.

    Raises UsageError or DataError for a request or a dataset that cannot be used, before anything is trained.
    """
    for name, number in (("--seeds", request.seeds), ("--images-per-class", request.images_per_class)):
        if number < 1:
            raise UsageError(f"{name} {number}: must be at least 1")
    given, entry = Assignments(request.settings), registry.datasets.get(request.dataset)
    called = request.called or entry.name
    if set(called) & set("@/,+ ") or called == "untrained":
        raise UsageError(
            f"--as {called}: a task's name has none of the signs @ / , + and space, and is not 'untrained'"
        )
    chosen, _ = given.resolve(TUNE)
    variants = given.variants(entry.card, "train_images")
    picks = _networks(request, registry, given, device, simulated=entry.card.simulated)
    given.check_used(registry)
    with report.task(f"opening {request.dataset}"):
        task = Task(called, data := open_dataset(entry, variants, request.data, cache), data.dataset.subjects[0])
        _ = task.labels
    for pick in picks:
        try:
            with blamed(pick.plugin, "load", f"backbone {pick.name}"):
                layers = tuple(load_backbone(pick, [pick.name]).layers[pick.name])
            wanted = _layers(request.layers, layers, pick.name)
        except UsageError:
            raise
        except BrainbenchError as error:
            yield task, Outcome(f"{pick.name}@{called}", problem=_line(error))
            continue
        for number in wanted:
            for seed in range(request.seeds):
                how = recipe(chosen, request.images_per_class, layers[number - 1])
                one = Tuning(pick, task, how, number, number == len(layers), seed, device)
                yield task, _attempt(lambda one=one: one.run(cache, report)[1], one.name)  # type: ignore[misc]


def _attempt(run: Callable[[], bool], name: str) -> Outcome:
    try:
        return Outcome(name, there=run())
    except BrainbenchError as error:
        return Outcome(name, problem=_line(error))


def _networks(
    request: TuneRequest, registry: Registry, given: Assignments, device: str, *, simulated: bool
) -> list[BackbonePick]:
    found = pick_backbones(
        request.backbones,
        registry,
        given,
        simulated=simulated,
        weights=request.weights,
        controls=False,
        device=device,
    )
    picks = []
    for pick in found:
        if not isinstance(pick, BackbonePick) or "@" in pick.display.removeprefix(pick.name):
            raise UsageError(
                f"{pick.display}: only a single network with its own weights can be tuned, such as clip/mini"
            )
        picks.append(pick)
    return picks


def _layers(text: str, layers: Sequence[str], name: str) -> list[int]:
    """Return the numbers of the layers, from 1, that ``text`` names."""
    if text in (LAST, "all"):
        return list(range(1, len(layers) + 1)) if text == "all" else [len(layers)]
    found = []
    for part in (one.strip() for one in text.split(",")):
        if part in layers:
            found.append(layers.index(part) + 1)
        elif part.isdigit() and 1 <= int(part) <= len(layers):
            found.append(int(part))
        else:
            raise UsageError(
                f"--head-layer {part}: {name} has no such layer{did_you_mean(part, layers)}; allowed are 1 to {len(layers)}, "
                f"their names ({layers[0]} to {layers[-1]}), last and all"
            )
    return list(dict.fromkeys(found))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
