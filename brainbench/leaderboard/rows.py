"""Records -> the rows of a board. Only seeds and subjects are pooled."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from brainbench.leaderboard.displays import display
from brainbench.leaderboard.intervals import Sample
from brainbench.metrics.bootstrap import FEWEST, unpacked
from brainbench.records import Display, MetricResult, Record, RowKey, spelled

# As in Table 13, with the areas that it omits next to related ones.
ROI_ORDER = ("V1", "V2", "V3", "hV4", "EBA", "FBA", "OFA", "FFA", "OPA", "PPA", "RSC", "OWFA", "VWFA")


@dataclass(frozen=True)
class Column:
    """One score of one version of one metric.

    explanation: how to read it; ceiling: whether the noise ceiling bounds it; errors, errors_note: title of the table that
    shows it with its standard error, and the line above it.
    """

    metric: str
    version: str
    value: str
    heading: str
    direction: str
    digits: int
    explanation: str = ""
    ceiling: bool = False
    errors: str = ""
    errors_note: str = ""


@dataclass
class Row:
    """One row.

    cells: (subject, seed) -> the job's metrics, empty if it failed; tokens: metrics of the backbone alone; records: its
    sources; failures: why jobs failed; beyond: cells that are left out, because most rows lack them.
    """

    key: RowKey
    control: bool
    cells: dict[tuple[str, int], dict[str, MetricResult]] = field(default_factory=dict)
    tokens: list[dict[str, MetricResult]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    beyond: list[tuple[str, int]] = field(default_factory=list)

    def figures(self, column: Column, expected: int) -> list[float] | None:
        """Return the scores behind one table cell. None unless every seed and subject has one."""
        jobs = list(self.cells.values())
        alone = [m for m in self.tokens if column.metric in m]
        if alone:
            jobs, expected = alone, len(alone)
        results = [job.get(column.metric) for job in jobs]
        found = [
            r.values[column.value] for r in results if r and r.version == column.version and column.value in r.values
        ]
        return found if found and len(found) == expected else None

    def sample(self, column: Column) -> Sample | None:
        """Return the score of every cell with its draws of the test images. None unless every cell has them."""
        results = {cell: job.get(column.metric) for cell, job in self.cells.items()}
        cells = {
            cell: (r.values[column.value], unpacked(r.draws[column.value]))
            for cell, r in results.items()
            if r and r.version == column.version and column.value in r.draws
        }
        images = min((_test_images(r) for r in self.records if r.encoder), default=0)
        # With fewer images no metric draws, and one image has no variance.
        drawn = cells and len(cells) == len(self.cells) and images >= FEWEST
        return Sample(cells, images) if drawn else None


@dataclass(frozen=True)
class Edition:
    """The records that may share one table: one version and the same settings of the dataset, one state of each subject."""

    dataset: str
    version: str
    settings: str
    records: tuple[Record, ...]

    @cached_property
    def expected(self) -> set[tuple[str, int]]:
        """Return every (subject, seed) that at least half of the rows have, done or failed; controls do not count.

        Rows are compared on these: a stray seed or subject of one row takes no other's rank.
        """
        cells: dict[RowKey, set[tuple[str, int]]] = {}
        for record in sorted(self.records, key=lambda record: record.backbone.control):
            if record.encoder and not (record.backbone.control and cells and record.row not in cells):
                cells.setdefault(record.row, set()).add((record.dataset.subject, record.seed))
        counts = Counter(cell for row in cells.values() for cell in row)
        return {cell for cell, rows in counts.items() if 2 * rows >= len(cells)}


def editions(records: Iterable[Record]) -> list[Edition]:
    """Keep dataset versions and settings, and different states of the dataset's subjects, apart.

    A state is what ``Record.subjects`` says of all subjects at once. A record is on the board of every state in which its own
    subject is as it was, so that a subject that did not change stays beside one that did.
    """
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in sorted(records, key=lambda r: r.key):
        facts = record.dataset
        groups.setdefault((facts.name, facts.version, spelled(facts.changed)), []).append(record)
    found = []
    for place, group in sorted(groups.items()):
        for state in _states(group):
            found.append(Edition(*place, tuple(record for record in group if _belongs(record, state))))
    return found


def _states(records: Sequence[Record]) -> list[dict[str, str]]:
    """Return the states of the dataset that records tell of; those that differ in no subject are one."""
    told = {tuple(sorted(record.subjects.items())) for record in records}
    states: list[dict[str, str]] = []
    for items in sorted(told, key=lambda items: (-len(items), items)):
        subjects = dict(items)
        agreeing = [state for state in states if all(state.get(s, now) == now for s, now in subjects.items())]
        for state in agreeing:
            state.update(subjects)
        if not agreeing:
            states.append(subjects)
    return states


def _belongs(record: Record, state: Mapping[str, str]) -> bool:
    own = record.subjects.get(record.dataset.subject)
    return own is None or state.get(record.dataset.subject) == own


def rows(edition: Edition) -> list[Row]:
    """Pool the records of an edition.

    Where a job of a cell is done, one of the same cell that failed is only named. A cell that two finished records describe is
    left empty, and both are named. Cells that most rows lack are left out, and are in ``Row.beyond``.
    """
    found: dict[RowKey, Row] = {}
    for record in sorted(edition.records, key=lambda record: record.status == "failed"):
        key = record.row
        row = found.setdefault(key, Row(key, record.backbone.control))
        row.records.append(record)
        cell = (record.dataset.subject, record.seed)
        where = f"{key.backbone}, {key.encoder}, subject {cell[0]}, seed {cell[1]}"
        row.failures += [f"{where}: {failure}" for failure in record.failures]
        if record.encoder is None:
            row.tokens.append(record.metrics)
        elif cell not in row.cells:
            row.cells[cell] = {} if record.failure else record.metrics
        elif record.status == "done":
            row.cells[cell] = {}
            row.failures.append(f"{where}: two records describe it: delete one of them")
    for row in found.values():
        row.beyond = sorted(row.cells.keys() - edition.expected)
        row.cells = {cell: metrics for cell, metrics in row.cells.items() if cell in edition.expected}
    return _with_tokens(found)


def _test_images(record: Record) -> int:
    """Return the number of images that a resampling draws; records of earlier versions tell of rows alone."""
    return record.dataset.test_images or record.dataset.split_sizes.get("test", 0)


def columns(edition: Edition) -> list[Column]:
    """Return the columns of the edition's metrics, by their precedence, with ROIs in their usual order."""
    shown: dict[tuple[str, str], Display] = {}
    rois = {name for record in edition.records for name in record.dataset.rois}
    for record in edition.records:
        for metric, result in record.metrics.items():
            shown[metric, result.version] = display(metric, result)
    several = {m for m, _ in shown if sum(name == m for name, _ in shown) > 1}
    idle = _idle(edition, shown)
    found: list[Column] = []
    for (metric, version), how in sorted(shown.items(), key=lambda item: (-item[1].precedence, item[0])):
        mark = f" (v{version})" if metric in several else ""
        headings = {v: h for v, h in how.columns.items() if (metric, version, v) not in idle}
        if how.roi_columns:
            headings |= {roi: roi for roi in sorted(rois, key=roi_rank)}
        taken = {column.heading for column in found}
        for value, heading in headings.items():
            # The bare ROI names belong to the first metric that scores ROIs, which is R2 if present.
            own = f"{metric} {heading}" if heading + mark in taken else heading
            found.append(
                Column(
                    metric=metric,
                    version=version,
                    value=value,
                    heading=own + mark,
                    direction=direction_of(how, value),
                    digits=how.digits,
                    explanation=how.explanation.get(value, ""),
                    ceiling=how.ceiling,
                    errors=how.errors,
                    errors_note=how.errors_note,
                )
            )
    return found


def _idle(edition: Edition, shown: Mapping[tuple[str, str], Display]) -> set[tuple[str, str, str]]:
    """Return scores that no row has, although their metric has others (no noise ceiling, no share of it)."""
    given: dict[tuple[str, str], set[str]] = {}
    for record in edition.records:
        for metric, result in record.metrics.items():
            given.setdefault((metric, result.version), set()).update(result.values)
    return {
        (metric, version, value)
        for (metric, version), how in shown.items()
        for value in how.columns
        if given[metric, version] and value not in given[metric, version]
    }


def roi_rank(name: str) -> tuple[int, str]:
    """Return a sort key that puts ROIs in the order of the visual pathway."""
    return (ROI_ORDER.index(name) if name in ROI_ORDER else len(ROI_ORDER), name)


def direction_of(how: Display, value: str) -> str:
    """Return the direction of one of a metric's scores."""
    other = {"higher": "lower", "lower": "higher", "none": "none"}
    return other[how.direction] if value in how.opposite else how.direction


def pooled(figures: Sequence[float]) -> tuple[float, float | None]:
    """Return (mean, standard deviation over seeds and subjects, or None for a single cell)."""
    return statistics.fmean(figures), statistics.stdev(figures) if len(figures) > 1 else None


def _with_tokens(found: dict[RowKey, Row]) -> list[Row]:
    """Copy the scores of a backbone without encoder to each of its rows.

    Only without any encoder do they have a row of their own.
    """
    kept = []
    for row in found.values():
        if row.key.encoder:
            kept.append(row)
            continue
        partners = [r for r in found.values() if r.key.encoder and r.key.network == row.key.network]
        for partner in partners:
            partner.tokens += row.tokens
        if not partners:
            kept.append(row)
        elif row.failures and not any(p.failures for p in partners):
            partners[0].failures += row.failures
    return sorted(kept, key=lambda r: r.key)
