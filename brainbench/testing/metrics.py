"""The checks of a metric. Each returns a line on what it found, or raises ContractError."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from brainbench.cards import MetricCard
from brainbench.errors import PluginError
from brainbench.metrics.bootstrap import DRAWS
from brainbench.pipeline.scores import LoadedMetric, checked, score
from brainbench.protocols import Metric, RecordsMetric
from brainbench.records import MetricResult
from brainbench.registry import installed
from brainbench.testing.cases import expect, light_listing, no_network, untouched_random_state
from brainbench.testing.encoders import CHANNELS, LAYERS, STIMULI, ToyFeatures
from brainbench.types import ArrayNames, Cell, Masks, MetricInputs, Predictions, Responses, Score, Selectors

ROIS = ("V1", "V2", "V3", "hV4", "OPA", "EBA")
PER_ROI = 4
VOXELS = PER_ROI * len(ROIS)


class MetricCase:
    """One metric under test, and the scores that it gives to toy inputs of every kind.

    settings: those of the metric that differ from its defaults; inputs: what a metric scores, the toy's if not given.
    """

    def __init__(
        self, card: MetricCard, settings: Mapping[str, Any] | None = None, inputs: MetricInputs | None = None
    ) -> None:
        self.card = card
        self.settings = card.resolve_settings(settings or {})
        self.inputs = inputs or toy_inputs()

    @classmethod
    def named(cls, name: str) -> MetricCase:
        """The case of an installed metric. Raises UsageError if there is none with this name."""
        return cls(installed().metrics.get(name).card)

    def load(self) -> Any:
        """A new metric."""
        metric = self.card.loader(settings=self.settings)
        kind = RecordsMetric if self.card.needs_records else Metric
        expect(isinstance(metric, kind), f"load() returned {type(metric).__name__}, expected a {kind.__name__}")
        return metric

    def results(self, inputs: MetricInputs | None = None) -> list[MetricResult]:
        """What a new metric says, as records hold it: of these inputs, or of one board of toy cells."""
        return [result for result, _ in self.scored(inputs)]

    def scored(
        self, inputs: MetricInputs | None = None, cells: Sequence[Cell] | None = None
    ) -> list[tuple[MetricResult, Any]]:
        """As ``results``, each with its scores per voxel."""
        metric = self.load()
        try:
            if not self.card.needs_records:
                return [score(LoadedMetric(self.card, metric), inputs or self.inputs)]
            cells = toy_cells() if cells is None else cells
            said: Sequence[Score] = metric.score(cells)
            expect(len(said) == len(cells), f"score() returned {len(said)} scores for {len(cells)} cells")
            return [(checked(self.card, one), one.per_voxel) for one in said]
        except PluginError as error:
            expect(False, str(error))
            raise

    @cached_property
    def first(self) -> list[tuple[MetricResult, Any]]:
        """The scores that most checks look at."""
        return self.scored()


def toy_inputs() -> MetricInputs:
    """Inputs of every kind, of voxels that read a network with three layers, in six ROIs from V1 to EBA."""
    rng = np.random.default_rng(0)
    responses = _responses(rng)
    rows = responses.rows("test")
    observed = responses.values[rows]
    predicted = (observed + 0.5 * rng.normal(size=observed.shape)).astype(np.float32)
    tokens = ToyFeatures()
    distances = [_dissimilarities(tokens.global_tokens(0), rng) for _ in range(3)]
    return MetricInputs(
        predictions=Predictions(predicted, observed, tuple(f"toy-{row}" for row in rows)),
        selectors=_selectors(rng),
        responses=responses,
        features=tokens,
        aligned=tokens,
        parameters={"weights": torch.zeros(CHANNELS, VOXELS)},
        masks=Masks(("ground", "left", "right"), _mask),
        dissimilarities=distances[0],
        other_dissimilarities=tuple(distances[1:]),
    )


def toy_cells() -> list[Cell]:
    """The cells of a board: two backbones, two subjects, two seeds."""
    return [
        _cell(backbone, subject, seed, number)
        for number, backbone in enumerate(("toy/one", "toy/two"))
        for subject in ("1", "2")
        for seed in (0, 1)
    ]


def _cell(backbone: str, subject: str, seed: int, number: int) -> Cell:
    rng = np.random.default_rng([number, int(subject), seed])
    selectors = _selectors(rng)
    arrays: dict[str, np.ndarray] = {
        ArrayNames.PREDICTIONS: rng.normal(size=(10, VOXELS)).astype(np.float32),
        ArrayNames.per_voxel("r2"): rng.uniform(0, 0.6, VOXELS).astype(np.float32),
        **{ArrayNames.roi(name): mask for name, mask in _rois().items()},
    }
    for kind in ("layer", "space", "scale"):
        arrays[ArrayNames.selector(kind)] = getattr(selectors, kind)
    return Cell(
        row=f"{backbone} (v1) x toy",
        backbone=backbone,
        encoder="toy",
        control=False,
        subject=subject,
        seed=seed,
        versions={"r2": "2"},
        cost={"wall_s": 1.5, "peak_memory_mb": 90.0, "fitted_parameters": 1e6, "backbone_parameters": 2e6},
        rois=ROIS,
        arrays=arrays,
    )


def _rois() -> dict[str, np.ndarray]:
    return {name: np.arange(VOXELS) // PER_ROI == number for number, name in enumerate(ROIS)}


def _responses(rng: np.random.Generator) -> Responses:
    signal = ToyFeatures().global_tokens(0) @ rng.normal(size=(CHANNELS, VOXELS))
    values = (signal / signal.std() + 0.3 * rng.normal(size=signal.shape)).astype(np.float32)
    return Responses(
        subject="toy",
        values=values,
        stimulus=np.arange(STIMULI),
        split=np.array((["train"] * 4 + ["val", "test"]) * (STIMULI // 6)),
        key="toy",
        coordinates=rng.normal(size=(VOXELS, 3)).astype(np.float32) * 30,
        rois=_rois(),
        noise_ceiling=rng.uniform(0.5, 0.9, VOXELS).astype(np.float32),
        truth=_selectors(rng),
    )


def _selectors(rng: np.random.Generator) -> Selectors:
    """Later ROIs read later layers."""
    depth = np.repeat(np.linspace(0, 1, len(ROIS)), PER_ROI)
    places = np.linspace(0, 1, LAYERS)
    weights = np.exp(-10 * (depth[:, None] - places + 0.1 * rng.normal(size=(VOXELS, LAYERS))) ** 2)
    return Selectors(
        tuple(f"layer{number + 1}" for number in range(LAYERS)),
        layer=(weights / weights.sum(axis=1, keepdims=True)).astype(np.float32),
        space=rng.uniform(-0.9, 0.9, (VOXELS, 2)).astype(np.float32),
        scale=rng.uniform(0, 1, VOXELS).astype(np.float32),
        channel=rng.normal(size=(VOXELS, CHANNELS)).astype(np.float32),
        correlation=(0.3 + 0.7 * np.eye(LAYERS)).astype(np.float32),
        likeness=(0.2 + 0.8 * np.eye(LAYERS)).astype(np.float32),
    )


def _dissimilarities(tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noisy = tokens + 0.3 * rng.normal(size=tokens.shape)
    return np.asarray(np.linalg.norm(noisy[:, None] - noisy, axis=2), np.float32)


def _mask(index: int) -> np.ndarray:
    mask = np.zeros((16, 16), np.uint8)
    mask[4:12, :8], mask[4:12, 8:] = 1, 2
    return np.roll(mask, index, axis=1)


def loads(case: MetricCase) -> str:
    """The loader returns the kind of metric that the card's needs ask for."""
    return type(case.load()).__name__


def figures(case: MetricCase) -> str:
    """Finite scores of every kind that the card names, or the reason why there are none."""
    for result, _ in case.first:
        if result.not_applicable is not None:
            expect(bool(result.not_applicable.strip()), "not_applicable is empty, expected the reason")
            expect(
                not result.values, f"not applicable ({result.not_applicable}), yet it scores {', '.join(result.values)}"
            )
    given = [result.values for result, _ in case.first if result.values]
    if not given:
        reasons = {result.not_applicable for result, _ in case.first}
        expect(None not in reasons, "no scores, and no reason in not_applicable")
        return f"not applicable: {', '.join(sorted(map(str, reasons)))}"
    names = set().union(*given)
    columns = list(case.card.columns)
    expect(bool(names & set(columns)), f"scores {sorted(names)}, none of the card's columns {columns}")
    if case.card.roi_columns and not case.card.needs_records:
        lacking = set(ROIS) & set(_roi_names(case)) - names
        expect(not lacking, f"roi_columns, but no score of {', '.join(sorted(lacking))}")
    for prefix in case.card.layers:
        expect(any(name.startswith(prefix) for name in names), f"layers[{prefix!r}], but no score begins with it")
    for name in columns if case.card.errors else ():
        expect(f"{name}_se" in names, f"errors, but no score {name}_se")
    return ", ".join(f"{name} {given[0][name]:.3g}" for name in columns if name in given[0])


def every_column(case: MetricCase) -> str:
    """Each column of the card has a score, or the metric is not applicable."""
    given = [set(result.values) for result, _ in case.first if result.values]
    lacking = [name for name in case.card.columns if given and not any(name in names for names in given)]
    expect(not lacking, f"columns without a score: {', '.join(lacking)}; score them, or take them off the card")
    return f"{len(case.card.columns)} columns"


def same_seed(case: MetricCase) -> str:
    """The same inputs and seed give the same scores, to the last digit."""
    again = case.scored()
    for (before, one), (after, other) in zip(case.first, again, strict=True):
        expect(before == after, f"scored again: {after.values}, at first {before.values}")
        expect((one is None) == (other is None), "scores per voxel only one time of two")
        expect(one is None or np.array_equal(one, other, equal_nan=True), "other scores per voxel when scored again")
    return "the same scores"


def inputs_kept(case: MetricCase) -> str:
    """Scoring does not change its inputs."""
    if case.card.needs_records:
        cells = toy_cells()
        before = [_bytes(one.arrays) for one in cells]
        case.scored(cells=cells)
        expect([_bytes(one.arrays) for one in cells] == before, "it changes the arrays of its cells")
        return "unchanged"
    seen = _bytes(case.inputs)
    case.scored()
    expect(_bytes(case.inputs) == seen, "it changes its inputs; copy an array before writing to it")
    return "unchanged"


def per_voxel(case: MetricCase) -> str:
    """Scores per voxel, if there are any, are one number for each voxel."""
    found = [voxels for _, voxels in case.first if voxels is not None]
    if not found:
        return "none"
    responses = case.inputs.responses
    wanted = (VOXELS if responses is None else responses.values.shape[1],)
    for voxels in found:
        expect(np.shape(voxels) == wanted, f"per_voxel is {list(np.shape(voxels))}, expected {list(wanted)}")
        expect(np.asarray(voxels).dtype.kind == "f", f"per_voxel is {np.asarray(voxels).dtype}, expected floats")
    return f"{list(wanted)}"


def draws(case: MetricCase) -> str:
    """Draws, if there are any, are 1,000 finite numbers of a score that the metric gives."""
    names = sorted({name for result, _ in case.first for name in result.draws})
    return f"{DRAWS} each of {', '.join(names)}" if names else "none"


def less_to_read(case: MetricCase) -> str:
    """Without ROIs, noise ceiling, truth and selectors, or without stored arrays, it says so and does not raise."""
    if case.card.needs_records:
        spent = {"wall_s": 1.0, "peak_memory_mb": 1.0}
        bare = [replace(cell, arrays={}, rois=(), cost=spent, versions={}) for cell in toy_cells()]
        found = case.scored(cells=bare)
        expect(len(case.scored(cells=[])) == 0, "scores of an empty board")
    else:
        responses, inputs = case.inputs.responses, case.inputs
        if responses is not None:
            responses = replace(responses, rois={}, noise_ceiling=None, truth=None, coordinates=None)
        none = inputs.selectors and Selectors(inputs.selectors.layers)
        found = case.scored(replace(inputs, responses=responses)) + case.scored(
            replace(inputs, responses=responses, selectors=none, other_dissimilarities=())
        )
    spoken = {result.not_applicable for result, _ in found if result.not_applicable}
    return "; ".join(sorted(spoken)) or "scores all the same"


def explained(case: MetricCase) -> str:
    """The card explains its columns, beginning with the heading of one of them."""
    texts = case.card.explanation
    if case.card.own_table:
        return "has a table of its own"
    expect(
        bool(texts), 'no explanation of its columns; e.g. MetricCard(explanation={"all": "heading: how to read it."})'
    )
    for name, text in texts.items():
        start = next(iter(text.split(":")))
        headings = [heading for heading in case.card.columns.values() if heading in start]
        expect(
            ":" in text and bool(headings),
            f"explanation[{name!r}] is {text[:40]!r}: begin with its heading and a colon",
        )
    return f"{len(texts)} texts"


def quiet(case: MetricCase) -> str:
    """Scoring leaves the global random generators untouched and opens no network connection."""
    with no_network("scoring"), untouched_random_state("scoring"):
        case.scored()
    return "no network, global generators untouched"


def light(case: MetricCase) -> str:
    """Importing the plugin, to list its cards, imports nothing heavy and opens no network connection."""
    return light_listing(case.card, "metrics")


def _roi_names(case: MetricCase) -> Sequence[str]:
    return () if case.inputs.responses is None else tuple(case.inputs.responses.rois)


def _bytes(value: Any) -> Any:
    """The content of every array within, to compare."""
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, ToyFeatures):
        return _bytes(vars(value))
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _bytes(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _bytes(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_bytes(inner) for inner in value]
    return value if isinstance(value, str | int | float | None) else repr(type(value))


Check = Callable[[MetricCase], str]
METRIC_CHECKS: Mapping[str, Check] = {
    check.__name__.replace("_", " "): check
    for check in (
        loads,
        figures,
        every_column,
        same_seed,
        inputs_kept,
        per_voxel,
        draws,
        less_to_read,
        explained,
        quiet,
        light,
    )
}
