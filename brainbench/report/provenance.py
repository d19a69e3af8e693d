"""The provenance of the scores: data, network, fit, versions and cost, as a row's jobs recorded them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from brainbench.leaderboard.board import Board
from brainbench.leaderboard.displays import display
from brainbench.records import Record
from brainbench.report.rows import Panel, ReportRow

Facts = list[tuple[str, str]]


def studied(board: Board) -> Facts:
    """Summarise what was run, for the head of a board's section."""
    records = board.edition.records
    fits = [r for r in records if r.encoder]
    subjects = {r.dataset.subject: r.dataset for r in records}
    sizes = [
        f"{name}: {facts.voxels} voxels, {_split(facts.split_sizes)}"
        for name, facts in sorted(subjects.items())
        if facts.voxels
    ]
    found = [
        ("Backbones", str(len({(r.backbone.name, r.backbone.weights) for r in records}))),
        ("Encoders", ", ".join(sorted({r.encoder.name for r in fits if r.encoder})) or "none"),
        ("Subjects", "; ".join(sizes) or ", ".join(sorted(subjects))),
        ("Seeds", ", ".join(map(str, sorted({r.seed for r in records})))),
        ("Jobs", f"{sum(r.status == 'done' for r in records)} done, {sum(r.status == 'failed' for r in records)} failed"),
        ("Data licence", _several(r.dataset.licence for r in records)),
        ("Versions", _versions(records)),
    ]  # fmt: skip
    return [(name, text) for name, text in found if text]


def failures(records: Iterable[Record]) -> list[dict[str, str]]:
    """Return every failed job with its reason."""
    return [
        {
            "backbone": record.backbone.name,
            "encoder": record.encoder.name if record.encoder else "none",
            "subject": record.dataset.subject,
            "seed": str(record.seed),
            "reason": str(failure),
        }
        for record in sorted(records, key=lambda r: (r.backbone.name, r.key))
        for failure in record.failures
    ]


def kept_nothing(row: ReportRow, panels: Sequence[Panel]) -> str:
    """Say what to do about subjects without stored arrays; "" if all have them."""
    painted = {record.dataset.subject for one in panels if one.voxels.count for record in one.voxels.records}
    absent = [record.dataset.subject for record in row.fits if record.dataset.subject not in painted]
    if not absent:
        return ""
    who = "subject" if len(absent) == 1 else "subjects"
    return (
        f"Of {who} {', '.join(absent)} no selectors or figures per voxel are kept: there is nothing to paint. "
        "Run the same command again with --keep all, then make the report again."
    )


def provenance(row: ReportRow) -> dict[str, Any]:
    """facts: name and text; jobs: one a record; notes: what plugins and metrics said."""
    records = row.records
    one = records[0]
    backbone, encoder = one.backbone, next((r.encoder for r in records if r.encoder), None)
    facts: Facts = [
        ("Backbone", f"{backbone.name} ({backbone.plugin})"),
        ("Weights", backbone.weights),
        ("Weights sha256", _several(r.backbone.weights_sha256 for r in records)),
        ("Weights source", _several(r.backbone.weights_source for r in records)),
        ("Parameters", f"{backbone.parameters:,}" if backbone.parameters else ""),
        ("Backbone settings", _settings(backbone.settings)),
        ("Backbone licence", backbone.licence or ""),
        ("Encoder", f"{encoder.name} ({encoder.plugin})" if encoder else "none"),
        ("Encoder settings", _settings(encoder.settings) if encoder else ""),
        ("Changed from the default", _settings({**backbone.changed, **(encoder.changed if encoder else {})})),
        ("Dataset", f"{one.dataset.title}, version {one.dataset.version}"),
        ("Grid of tokens", one.grid),
        ("Versions", _versions(records)),
        ("Metrics", ", ".join(f"{n} {v}" for n, v in sorted({(n, m.version) for r in records for n, m in r.metrics.items()}))),
    ]  # fmt: skip
    jobs = [
        {
            "subject": r.dataset.subject,
            "seed": str(r.seed),
            "status": r.status,
            "voxels": str(r.dataset.voxels),
            "split": _split(r.dataset.split_sizes),
            "hash": (r.dataset.split_hash or "")[:12],
            "seconds": f"{r.cost.wall_s:.1f}",
            "memory": f"{r.cost.peak_memory_mb:.0f}",
            "device": r.cost.device,
            "key": r.key[:12],
        }
        for r in records
    ]
    said = [note for r in records for note in r.notes]
    said += [
        f"{name}: {note}"
        for r in records
        for name, m in r.metrics.items()
        for note in m.notes
        if not display(name, m).caveat
    ]
    said += [
        f"{name}: not applicable: {m.not_applicable}"
        for r in records
        for name, m in r.metrics.items()
        if m.not_applicable
    ]
    return {
        "facts": [(name, text) for name, text in facts if text],
        "jobs": jobs,
        "notes": list(dict.fromkeys(said)),
        "trust": trust(records),
        "failures": failures(records),
    }


def trust(records: Sequence[Record]) -> list[str]:
    """Say how far to trust the layer map, in the words of the metrics that judge it, with the subjects concerned."""
    found: dict[str, list[str]] = {}
    for record in records:
        for name, result in record.metrics.items():
            for note in result.notes if display(name, result).caveat else ():
                found.setdefault(note, []).append(record.dataset.subject)
    return [f"Subject {', '.join(dict.fromkeys(who))}: {note}" for note, who in found.items()]


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(settings.items()))


def _split(sizes: Mapping[str, int]) -> str:
    return " + ".join(f"{sizes[name]} {name}" for name in ("train", "val", "test") if name in sizes)


def _versions(records: Iterable[Record]) -> str:
    found = {(name, number) for record in records for name, number in record.versions.items()}
    return ", ".join(f"{name} {number}" for name, number in sorted(found))


def _several(texts: Iterable[str | None]) -> str:
    return ", ".join(sorted({text for text in texts if text}))
