"""The work behind ``leaderboard --verify``: recompute every score that stored predictions can give. Writes nothing."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from brainbench.cards import Need
from brainbench.errors import StoreError, UsageError
from brainbench.leaderboard.files import Beside, board_files
from brainbench.leaderboard.shown_metrics import MetricRequest
from brainbench.metrics.bootstrap import unpacked
from brainbench.planning.dataset import OpenDataset, open_dataset
from brainbench.planning.picks import MetricPick, pick_metric
from brainbench.planning.settings import Assignments
from brainbench.records import Record
from brainbench.registry import Registry
from brainbench.results import artifacts
from brainbench.results import store as results
from brainbench.results.arrays import has_predictions, read_arrays, read_ids
from brainbench.results.store import no_records
from brainbench.runner import job_record, score_all, stored_inputs
from brainbench.types import ArrayNames, MetricInputs
from brainbench.util.folders import Folders

# Inputs available without refitting. A metric that needs only these is recomputed.
STORED: frozenset[Need] = frozenset({"predictions", "selectors", "responses", "parameters"})
HALF = 2**-10  # a step of half precision
_IDENTITY = ("version", "stimuli_key", "responses_key", "split_hash")


@dataclass(frozen=True)
class Problem:
    """where: the record (key, row, subject, seed) or the file; what: what differs, as stored and as found."""

    where: str
    what: str


@dataclass
class Verification:
    """What ``verify`` found.

    verified: number of records with predictions in which nothing differs; digest_only: of records without; remarks: what
    was not checked.
    """

    verified: int = 0
    digest_only: int = 0
    problems: list[Problem] = field(default_factory=list)
    remarks: Counter[str] = field(default_factory=Counter)


def verify(
    folders: Folders,
    registry: Registry,
    *,
    dataset: str | None = None,
    data: Path | None = None,
    asked: MetricRequest | None = None,
    beside: Beside | None = None,
) -> Verification:
    """Check the records of a results folder (of one dataset, or of all), their artifacts, and their boards.

    data: path of the dataset, if it needs one; its settings are in the records. asked, beside: what the boards show. Raises
    UsageError if data is needed and not given, StoreError if there are no records.
    """
    outcome, records = Verification(), []
    for path in sorted(folders.results.glob("*.json")):
        try:
            record = results.read_record(path, changed=True)
        except StoreError as error:
            outcome.problems.append(Problem(path.name, str(error)))
            continue
        if dataset in (None, record.dataset.name):
            records.append((path, record))
    if not records and not outcome.problems:
        raise no_records(folders.results, dataset)
    auditor = _Auditor(folders, registry, data, outcome.remarks)
    auditor.require_data([record for _, record in records])
    for path, record in records:
        found = [Problem(_where(record), what) for what in auditor.audit(path, record)]
        outcome.problems += found
        if not has_predictions(record):
            outcome.digest_only += 1
        elif not found:
            outcome.verified += 1
    outcome.problems += _boards(folders, [record for _, record in records], asked or MetricRequest(), beside)
    return outcome


class _Auditor:
    """Checks records one by one and yields their problems."""

    def __init__(self, folders: Folders, registry: Registry, data: Path | None, remarks: Counter[str]) -> None:
        self.folders, self.registry, self.data, self.remarks = folders, registry, data, remarks
        self._metrics = {entry.name: entry for entry in registry.metrics}
        self._datasets: dict[tuple[str, str], OpenDataset] = {}

    def require_data(self, records: list[Record]) -> None:
        """Raise UsageError, before anything is computed, if a dataset cannot be opened without ``--data``."""
        names = {record.dataset.name for record in records if has_predictions(record)}
        for entry in self.registry.datasets:
            if entry.name in names and entry.card.needs_data and self.data is None:
                raise UsageError(
                    f"--verify scores the records of {entry.name} again and needs --data PATH: the folder that contains it"
                )

    def audit(self, path: Path, record: Record) -> Iterator[str]:
        """Yield the problems of one record, its artifacts and its scores."""
        yield from self._document(path, record)
        intact = True
        for name, sha256 in artifacts.artifact_digests(self.folders.results, record).items():
            if sha256 != record.artifacts[name]:
                intact = False
                yield f"{name}: stored sha256 {record.artifacts[name][:16]}, found {(sha256 or 'nothing readable')[:16]}"
        picks = list(self._picks(record))
        if not has_predictions(record):
            return
        try:
            data = self._open(record)
        except UsageError as error:
            yield f"dataset: {error}"
            return
        if record.dataset.subject not in data.dataset.subjects:
            yield f"dataset.subject: stored {record.dataset.subject}, the dataset has {', '.join(data.dataset.subjects)}"
            return
        stored, found = _dataset_facts(record, data)
        if other := [name for name in _IDENTITY if stored[name] != found[name]]:
            said = [f"{name} (stored {str(stored[name])[:16]}, found {str(found[name])[:16]})" for name in other]
            yield f"dataset: not the one that the record is about: {', '.join(said)}"
            return
        yield from _told(stored, found, "dataset", "found")
        misplaced = list(self._ids(record, data))
        yield from misplaced
        if intact and not misplaced:
            yield from self._figures(record, data, picks)

    def _document(self, path: Path, record: Record) -> Iterator[str]:
        if path.stem != record.key:
            yield f"key: the file is {path.name}"
        stated, digest = results.read_digests(path)
        if stated is None:
            self.remarks["no digest (written by an earlier version)"] += 1
        elif stated != digest:
            yield f"digest: stored {stated[:16]}, recomputed {digest[:16]}: something in {path.name} was changed"

    def _open(self, record: Record) -> OpenDataset:
        name, given = record.dataset.name, {k: v for k, v in record.dataset.changed.items() if k != "train_images"}
        known = (name, json.dumps(given, sort_keys=True))
        if known not in self._datasets:
            entry = self.registry.datasets.get(name)
            path = self.data if entry.card.needs_data or entry.card.takes_data else None
            variants = [(entry.card.resolve_settings(given), given)]
            self._datasets[known] = open_dataset(entry, variants, path, self.folders.cache)
        return self._datasets[known]

    def _ids(self, record: Record, data: OpenDataset) -> Iterator[str]:
        """Check that the stored predictions are for this subject's test stimuli, in order."""
        responses, known = data.responses(record.dataset.subject), data.stimuli(record.dataset.subject).ids
        expected = [] if responses is None else [known[i] for i in responses.stimulus[responses.rows("test")].tolist()]
        stored = read_ids(self.folders.results, record.key)
        if stored is None:
            yield f"{record.key}.zarr: the test ids of the predictions cannot be read"
        elif stored != expected:
            pairs = zip(stored, expected, strict=False)
            row = next((i for i, (one, other) in enumerate(pairs) if one != other), min(len(stored), len(expected)))
            here, there = (ids[row] if row < len(ids) else "nothing" for ids in (stored, expected))
            yield (
                f"{record.key}.zarr: the predictions do not belong to this record: test id {row} is {here}, "
                f"the dataset's is {there}"
            )

    def _picks(self, record: Record) -> Iterator[MetricPick]:
        """Return the record's metrics that can be scored again. The others are counted, with the reason."""
        for name, result in sorted(record.metrics.items()):
            pick = self._pick(name, result.version)
            if isinstance(pick, MetricPick):
                yield pick
            else:
                self.remarks[f"{name}: not recomputed ({pick})"] += 1

    def _pick(self, name: str, version: str) -> MetricPick | str:
        """Return the metric at the version that was scored, or why it is not available."""
        if name not in self._metrics:
            return "not installed"
        entry = self._metrics[name]
        if more := sorted(entry.card.needs - STORED):
            return f"needs {' and '.join(more)}"
        other = f"not verifiable: version {version} was scored, {entry.card.version} is installed"
        try:
            pick = pick_metric(entry, Assignments(f"{name}.{setting}" for setting in version.split(" ")[1:]))
        except UsageError:
            return other
        return pick if pick.version == version else other

    def _figures(self, record: Record, data: OpenDataset, picks: list[MetricPick]) -> Iterator[str]:
        stored, responses = read_arrays(self.folders.results, record), data.responses(record.dataset.subject)
        if stored is None or responses is None:
            yield "the predictions cannot be scored: there are no responses to compare them with"
            return
        arrays, attributes = stored
        inputs = stored_inputs(arrays, attributes, responses, MetricInputs(responses=responses, seed=record.seed))
        if any("parameters" in pick.card.needs for pick in picks):
            inputs = replace(inputs, parameters=artifacts.read_parameters(self.folders.results, record))
        for pick in picks:
            name = pick.name
            scored, per_voxel = score_all([pick], inputs)
            if failure := scored[name].failed:
                yield f"metrics.{name}: cannot be scored again: {failure.type}: {failure.message}"
                continue
            before, after = asdict(record.metrics[name]), asdict(scored[name])
            yield from _draws(before.pop("draws"), after.pop("draws"), f"metrics.{name}.draws")
            yield from _told(before, after, f"metrics.{name}", "recomputed")
            array = ArrayNames.per_voxel(name)
            yield from _voxels(arrays.get(array), per_voxel.get(name), array)


def _dataset_facts(record: Record, data: OpenDataset) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (what the record says about its dataset, what the opened dataset is)."""
    images = record.dataset.changed.get("train_images", 0)
    return asdict(record.dataset), asdict(job_record.dataset(data, record.dataset.subject, images))


def _told(stored: Mapping[str, Any], found: Mapping[str, Any], name: str, verb: str) -> Iterator[str]:
    for what, one, other in differences(stored, found, name):
        yield f"{what}: stored {one}, {verb} {other}"


def _draws(stored: Mapping[str, str], found: Mapping[str, str], name: str) -> Iterator[str]:
    """Compare draws. They are stored in half precision, in which another order of summation may differ by one step."""
    if stored.keys() != found.keys():
        yield f"{name}: stored {', '.join(stored) or 'none'}, recomputed {', '.join(found) or 'none'}"
        return
    for figure, text in stored.items():
        try:
            before = unpacked(text)
        except ValueError as error:
            yield f"{name}.{figure}: {error}"
            continue
        after = unpacked(found[figure])
        off = np.flatnonzero(~np.isclose(before, after, rtol=2 * HALF, atol=HALF * float(np.abs(after).max())))
        if len(off):
            yield f"{name}.{figure}[{off[0]}]: stored {before[off[0]]:.4g}, recomputed {after[off[0]]:.4g}"


def _voxels(stored: np.ndarray | None, found: np.ndarray | None, name: str) -> Iterator[str]:
    """stored, found: [V], NaN where a voxel has no figure."""
    if stored is None or found is None or stored.shape != found.shape:
        shapes = ["nothing" if array is None else list(array.shape) for array in (stored, found)]
        if stored is not None or found is not None:
            yield f"{name}: stored {shapes[0]}, recomputed {shapes[1]}"
        return
    off = np.flatnonzero(~np.isclose(stored, found, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True))
    if len(off):
        voxel = int(off[0])
        yield f"{name}[{voxel}]: stored {stored[voxel]}, recomputed {found[voxel]} ({len(off)} of {len(stored)} voxels)"


def _boards(folders: Folders, records: list[Record], asked: MetricRequest, beside: Beside | None) -> Iterator[Problem]:
    """Compare the board files with what these records make."""
    try:
        made = board_files(records, folders.results, asked, beside)
    except StoreError as error:
        yield Problem(str(folders.results), f"no board can be made: {error}")
        return
    again = f"`brainbench leaderboard {folders.results} --leaderboards {folders.leaderboards}` writes it"
    for name, text in sorted(made.items()):
        path = folders.leaderboards / name
        if not path.is_file():
            yield Problem(str(path), f"is not there; {again}")
        elif path.read_bytes() != text.encode():
            yield Problem(str(path), f"is not what the records make; {again}")


def _where(record: Record) -> str:
    encoder = record.encoder.name if record.encoder else "tokens only"
    return f"{record.key[:16]} {record.backbone.name} x {encoder}, subject {record.dataset.subject}, seed {record.seed}"


# One machine gives the same bytes; another BLAS sums in another order.
RELATIVE, ABSOLUTE = 1e-6, 1e-9


def differences(stored: object, found: object, name: str) -> Iterator[tuple[str, object, object]]:
    """Yield (name, stored, found) of every leaf of two JSON values that differs; None for a leaf that one of them lacks.

    Whole numbers and texts must be equal, other numbers must agree within 1e-6 of their size, or 1e-9 near zero.
    """
    if isinstance(stored, Mapping) and isinstance(found, Mapping):
        for key in sorted({*stored, *found}):
            yield from differences(stored.get(key), found.get(key), f"{name}.{key}")
    elif isinstance(stored, list) and isinstance(found, list) and len(stored) == len(found):
        for number, (one, other) in enumerate(zip(stored, found, strict=True)):
            yield from differences(one, other, f"{name}[{number}]")
    elif not _same(stored, found):
        yield name, stored, found


def _same(stored: object, found: object) -> bool:
    if isinstance(stored, float) and isinstance(found, float):
        return math.isclose(stored, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return stored == found
