"""Records -> the rows of a board. Only seeds and subjects are pooled."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from brainbench.leaderboard.displays import display
from brainbench.leaderboard.intervals import Sample
from brainbench.metrics.bootstrap import unpacked
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
    sources; failures: why jobs failed.
    """

    key: RowKey
    control: bool
    cells: dict[tuple[str, int], dict[str, MetricResult]] = field(default_factory=dict)
    tokens: list[dict[str, MetricResult]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

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
        images = min((r.dataset.split_sizes.get("test", 0) for r in self.records if r.encoder), default=0)
        return Sample(cells, images) if cells and len(cells) == len(self.cells) else None


@dataclass(frozen=True)
class Edition:
    """The records that may share one table: one version and the same settings of the dataset, one split per subject."""

    dataset: str
    version: str
    settings: str
    records: tuple[Record, ...]

    @property
    def expected(self) -> set[tuple[str, int]]:
        """Return every (subject, seed) of any job of this edition."""
        return {(r.dataset.subject, r.seed) for r in self.records if r.encoder is not None}


def editions(records: Iterable[Record]) -> list[Edition]:
    """Keep dataset versions and settings, and different splits of one subject, apart."""
    ordered = sorted(records, key=lambda r: r.key)
    hashes: dict[tuple[str, str, str, str], list[str]] = {}
    for record in ordered:
        place = (record.dataset.name, record.dataset.version, spelled(record.dataset.changed), record.dataset.subject)
        known = hashes.setdefault(place, [])
        if record.dataset.split_hash and record.dataset.split_hash not in known:
            known.append(record.dataset.split_hash)
    groups: dict[tuple[str, str, str, int], list[Record]] = {}
    for record in ordered:
        facts, settings = record.dataset, spelled(record.dataset.changed)
        known = sorted(hashes[facts.name, facts.version, settings, facts.subject])
        number = known.index(facts.split_hash) if facts.split_hash else 0
        groups.setdefault((facts.name, facts.version, settings, number), []).append(record)
    return [
        Edition(name, version, settings, tuple(group))
        for (name, version, settings, _), group in sorted(groups.items(), key=lambda item: item[0])
    ]


def rows(edition: Edition) -> list[Row]:
    """Pool the records of an edition.

    Where a job of a cell is done, one of the same cell that failed is only named. A cell that two finished records describe is
    left empty, and both are named.
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
    return _with_tokens(found)


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
