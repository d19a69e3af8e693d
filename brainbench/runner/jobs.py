"""Jobs -> records.

A finished record with the same key is kept. An exception in a plugin ends its own job, as a record. A disk error ends the
run.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from brainbench.cards import Need
from brainbench.errors import PluginError, StoreError
from brainbench.pipeline.encoding import Encoding, encode
from brainbench.pipeline.scores import LoadedMetric, display_of, missing_inputs, score
from brainbench.planning.jobs import Job, Plan
from brainbench.planning.picks import EncoderPick, MetricPick
from brainbench.plugins import BlamedError, blamed, library_version
from brainbench.records import Failure, MetricResult, Record
from brainbench.results import artifacts
from brainbench.results import store as results
from brainbench.results.arrays import of_fit, of_voxels, read_arrays, stored_inputs, write_arrays
from brainbench.results.under_way import noted
from brainbench.runner import job_record
from brainbench.runner.features import FeatureReader
from brainbench.types import FitContext, MetricInputs, Responses
from brainbench.util.files import TakenError, storage
from brainbench.util.folders import Folders
from brainbench.util.memory import AnonymousPeak
from brainbench.util.progress import Reporter


@dataclass
class Run:
    """One run of a plan, in one process. device: as torch names it; keep: ``all`` or ``scores``."""

    plan: Plan
    folders: Folders
    device: str
    report: Reporter
    keep: str = "all"
    _features: FeatureReader = field(init=False)

    def __post_init__(self) -> None:
        self._features = FeatureReader(self.folders, self.device, self.report, [job.tokens for job in self.plan.jobs])

    def records(self, jobs: Sequence[Job] | None = None, *, wait: bool = True) -> Generator[tuple[Job, Record, bool]]:
        """Run some jobs of the plan, or all. Yields (job, its record, whether the record existed already).

        A job that another process is at comes last, or, unless ``wait``, not at all.
        """
        taken = []
        try:
            for job in self.plan.jobs if jobs is None else jobs:
                try:
                    found = self._record(job, wait=False)
                except TakenError:
                    taken.append(job)
                    continue
                yield job, *found
            for job in taken if wait else ():
                yield job, *self._record(job)
        finally:
            self._features.release()

    def forget(self) -> None:
        """Remove the records of all jobs, what they left to go on from, and the tokens that they read."""
        for job in self.plan.jobs:
            with storage(self.folders.results), self.folders.locked(self.folders.results, job.key):
                for folder in (self.folders.results, self.folders.results / "superseded"):
                    artifacts.discard(folder, job.key)
                self._end(job)
        self._features.forget()

    def finished(self, job: Job) -> Record | None:
        """Return the record of a job of which nothing is left to do."""
        before = self._earlier(job)
        return before if before is not None and before.status == "done" and not _unscored(job, before) else None

    def failed(self, job: Job) -> bool:
        """Whether the record of a job says that something failed."""
        before = self._earlier(job)
        return before is not None and bool(before.failures)

    def give_up(self, job: Job, reason: str) -> Record:
        """Write the record of a job that could not be done, and return it."""
        failure = Failure(f"brainbench {library_version('brainbench')}", "worker", "Died", reason)
        with storage(self.folders.results), self.folders.locked(self.folders.results, job.key):
            spent = job_record.cost(time.perf_counter(), self.device, None)
            return self._written(job, job_record.failed_record(job, self.plan.data, failure, spent))

    def _record(self, job: Job, *, wait: bool = True) -> tuple[Record, bool]:
        with storage(self.folders.results), self.folders.locked(self.folders.results, job.key, wait=wait):
            before = self._earlier(job)
            kept = before is not None and before.status == "done" and not _unscored(job, before)
            if before is not None and kept:
                record = before
            else:
                with noted(self.folders.results, job.key, job.label, self.report.message):
                    record = self._written(job, self._attempt(job, before))
            self._end(job)
        return record, kept

    def _written(self, job: Job, record: Record) -> Record:
        try:
            results.write_record(self.folders.results, record)
        # A number that is not finite, or an object that is not JSON.
        except (ValueError, TypeError) as error:
            failure = Failure(f"brainbench {library_version('brainbench')}", "record", type(error).__name__, str(error))
            record = job_record.failed_record(job, self.plan.data, failure, record.cost)
            results.write_record(self.folders.results, record)
        return record

    def _earlier(self, job: Job) -> Record | None:
        path = self.folders.results / f"{job.key}.json"
        if not (path.exists() or results.reinstate(self.folders.results, job.key)):
            return None
        try:
            return results.read_record(path)
        except StoreError as error:
            self.report.message(f"done again: {error}")
            return None

    def _folder(self, job: Job) -> Path:
        """Return the folder where the job's fit stores what it needs to resume."""
        return self.folders.results / ".fits" / job.key

    def _end(self, job: Job) -> None:
        """Remove the state from which a fit resumes: its job is done, or starts over."""
        if self._folder(job).exists():
            shutil.rmtree(self._folder(job))

    def _attempt(self, job: Job, before: Record | None) -> Record:
        started = time.perf_counter()
        with AnonymousPeak() as memory:
            try:
                record = self._rescored(job, before) or self._fitted(job, started, memory)
            except BlamedError as error:
                if before is not None and before.status == "done":
                    # What is there stands; what was asked for in addition failed.
                    lacking = {pick.name: failed_metric(pick, error) for pick in _unscored(job, before)}
                    return replace(before, metrics=before.metrics | lacking)
                spent = job_record.cost(started, self.device, memory.mb)
                return job_record.failed_record(job, self.plan.data, error.failure(), spent)
        # Metrics that other runs requested stay in the job's record.
        return record if before is None else replace(record, metrics=before.metrics | record.metrics)

    def _fitted(self, job: Job, started: float, memory: AnonymousPeak) -> Record:
        inputs, encoding = self._inputs(job), None
        # Without an encoder, tokens are read only for a metric that has all its other inputs.
        if job.encoder or any(missing_inputs(m.card, inputs) == ["tokens"] for m in job.metrics):
            inputs = replace(inputs, features=self._features.read(job.tokens))
        if job.encoder:
            encoding = self._encode(job, inputs)
            inputs = replace(
                inputs, predictions=encoding.predictions, selectors=encoding.selectors, aligned=encoding.aligned
            )
            if _wanted("parameters", job.metrics):
                with blamed(job.encoder.plugin, "parameters"):
                    inputs = replace(inputs, parameters=encoding.fitted.parameters())
        scored, per_voxel = score_all(job.metrics, inputs)
        artifacts: dict[str, str] = {}
        if job.encoder and encoding and self.keep == "all":
            artifacts = self._store(job, job.encoder, encoding, per_voxel)
        return job_record.record(
            job,
            self.plan.data,
            weights_sha256=self._features.weights_sha256(job.tokens) if inputs.features is not None else None,
            fitted=encoding.fitted if encoding else None,
            metrics=scored,
            artifacts=artifacts,
            failure=None,
            cost=job_record.cost(started, self.device, memory.mb),
        )

    def _inputs(self, job: Job) -> MetricInputs:
        data, dataset = self.plan.data, self.plan.data.dataset
        with blamed(data.plugin, "masks and dissimilarities"):
            return MetricInputs(
                responses=data.responses(job.subject, job.train_images),
                masks=dataset.masks(job.subject),
                dissimilarities=dataset.dissimilarities(job.subject),
                other_dissimilarities=self._other_dissimilarities(job),
                seed=job.seed,
            )

    def _other_dissimilarities(self, job: Job) -> tuple[np.ndarray, ...]:
        """Return the dissimilarities of the subjects who saw the same images in the same order."""
        if not any("dissimilarities" in metric.card.needs for metric in job.metrics):
            return ()
        data = self.plan.data
        images = data.stimuli(job.subject).key
        others = [s for s in data.dataset.subjects if s != job.subject and data.stimuli(s).key == images]
        return tuple(m for m in map(data.dataset.dissimilarities, others) if m is not None)

    def _encode(self, job: Job, inputs: MetricInputs) -> Encoding:
        if job.encoder is None or inputs.responses is None or inputs.features is None:
            raise PluginError(f"{self.plan.data.card.name} declares responses but returned none for {job.subject}")
        plugin = job.encoder.plugin
        with blamed(plugin, "load"):
            encoder = job.encoder.card.loader(settings=job.encoder.settings)
        with self.report.task(job.label) as advance, blamed(plugin, "fit"):
            context = FitContext(
                job.seed,
                self.device,
                advance,
                self._folder(job),
                lambda text: self.report.message(f"{job.label}: {text}"),
                self.folders.cache / "encoders" / job.encoder.card.family,
            )
            stimuli = self.plan.data.stimuli(job.subject)
            return encode(encoder, inputs.features, inputs.responses, stimuli, context, job.encoder.name)

    def _store(
        self, job: Job, encoder: EncoderPick, encoding: Encoding, per_voxel: Mapping[str, np.ndarray]
    ) -> dict[str, str]:
        stimuli, surveyed = self.plan.data.stimuli(job.subject), self.plan.data.survey(job.subject)
        unmeasured_ids = [stimuli.ids[index] for index in stimuli.unmeasured]
        arrays, attributes = of_fit(encoding.predictions, encoding.selectors, encoding.unmeasured, unmeasured_ids)
        known, where = _of_voxels(per_voxel, surveyed)
        with blamed(encoder.plugin, "parameters"):
            parameters = encoding.fitted.parameters()
        folder = self.folders.results
        try:
            written = write_arrays(folder, job.key, arrays | known, attributes | where)
            return written | artifacts.write_parameters(folder, job.key, parameters)
        except OSError:  # the disk said no: leave nothing half-written
            artifacts.discard(folder, job.key)
            raise

    def _rescored(self, job: Job, before: Record | None) -> Record | None:
        """Add missing metrics to the earlier record, from its stored predictions.

        Returns None if the job must be fitted again.
        """
        found = read_arrays(self.folders.results, before) if before and job.encoder else None
        inputs = self._inputs(job)
        if before is None or found is None or inputs.responses is None:
            return None
        picks = _unscored(job, before)
        if unstored := [pick.name for pick in picks if "aligned" in pick.card.needs]:
            self.report.message(
                f"{job.label}: fitted anew: {', '.join(unstored)} needs aligned tokens, which are not stored"
            )
            return None
        arrays, attributes = found
        inputs = stored_inputs(arrays, attributes, inputs.responses, inputs)
        if _wanted("tokens", picks):
            inputs = replace(inputs, features=self._features.read(job.tokens))
        if _wanted("parameters", picks):
            inputs = replace(inputs, parameters=artifacts.read_parameters(self.folders.results, before))
            if inputs.parameters is None:
                return None
        scored, per_voxel = score_all(picks, inputs)
        digests = before.artifacts
        if per_voxel:
            known, where = _of_voxels(per_voxel, inputs.responses)
            arrays, attributes = arrays | known, attributes | where
            digests = digests | write_arrays(self.folders.results, job.key, arrays, attributes)
        return replace(
            before,
            status="done",
            failure=None,
            metrics=before.metrics | scored,
            artifacts=digests,
        )


def _wanted(need: Need, picks: Sequence[MetricPick]) -> bool:
    return any(need in pick.card.needs for pick in picks)


def _of_voxels(
    per_voxel: Mapping[str, np.ndarray], responses: Responses | None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    return of_voxels(per_voxel, responses.rois, responses.surface) if responses else of_voxels(per_voxel, {}, None)


def exit_code(records: Sequence[Record]) -> int:
    """Return 0 if every job is done, 1 if some failed."""
    return int(any(record.failures for record in records))


def _unscored(job: Job, record: Record) -> list[MetricPick]:
    return [m for m in job.metrics if not _current(m, record.metrics.get(m.name))]


def _current(pick: MetricPick, result: MetricResult | None) -> bool:
    return result is not None and result.failed is None and (result.version, result.code) == (pick.version, pick.code)


def score_all(
    picks: Sequence[MetricPick], inputs: MetricInputs
) -> tuple[dict[str, MetricResult], dict[str, np.ndarray]]:
    """Score every metric; one that raises fails alone. Returns (results, per-voxel scores), by metric."""
    scored: dict[str, MetricResult] = {}
    per_voxel: dict[str, np.ndarray] = {}
    for pick in picks:
        try:
            with blamed(pick.plugin, f"metric {pick.name}"):
                metric = pick.card.loader(settings=pick.settings)
                result, voxels = score(LoadedMetric(pick.card, metric), inputs)
        except BlamedError as error:
            scored[pick.name] = failed_metric(pick, error)
            continue
        scored[pick.name] = replace(result, version=pick.version, code=pick.code)
        if voxels is not None:
            per_voxel[pick.name] = np.asarray(voxels, dtype=np.float32)
    return scored, per_voxel


def failed_metric(pick: MetricPick, error: BlamedError) -> MetricResult:
    """Return the result of a metric that failed."""
    return MetricResult(pick.version, display_of(pick.card), failed=error.failure(), code=pick.code)
