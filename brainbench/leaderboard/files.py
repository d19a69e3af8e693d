"""Records -> the files of their boards, and of metrics with a table of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from brainbench.errors import UsageError
from brainbench.leaderboard import render as leaderboard
from brainbench.leaderboard.own_tables import own_table
from brainbench.leaderboard.record_metrics import compute
from brainbench.leaderboard.rows import Edition, editions
from brainbench.leaderboard.shown_metrics import MetricRequest
from brainbench.records import MetricResult, Record
from brainbench.results import store as results
from brainbench.results.store import no_records
from brainbench.util.files import file_name, storage, write_atomically
from brainbench.util.folders import Folders

# Dataset name -> page ("" for its board, ".forgetting") -> Markdown to add below it.
Beside = Callable[[str], Mapping[str, str]]


def board_files(
    records: Sequence[Record], results: Path, asked: MetricRequest, beside: Beside | None = None
) -> dict[Path, str]:
    """Return file name -> content. The same records, arrays and ``asked`` give the same bytes.

    results: the folder of the records; beside: dataset name -> page -> Markdown to add. Raises UsageError for a
    requested metric that does not exist, PluginError if a computed metric fails.
    """
    shown = asked.among(records)
    several = editions(records)
    on_board = []
    for edition in several:
        if kept := shown.narrowed(edition.records):
            found = {pick.name: compute(pick, edition, results) for pick in shown.beside}
            on_board.append(replace(edition, records=tuple(_joined(kept, found))))
    files = leaderboard.render_editions(on_board)
    if beside:
        for name in {edition.dataset for edition in on_board}:
            for page, section in beside(name).items():
                path = Path(f"{file_name(name)}{page}.md")
                if path in files:
                    files[path] += "\n" + section
    for pick in shown.apart:
        tables: dict[str, list[Edition]] = {}
        for edition in several:
            fits = [replace(record, metrics={}) for record in edition.records if record.encoder]
            joined = _joined(fits, {pick.name: compute(pick, edition, results)})
            if joined:
                tables.setdefault(edition.dataset, []).append(replace(edition, records=tuple(joined)))
        for dataset, some in tables.items():
            files |= own_table(dataset, pick.card, some)
    if not files:
        raise UsageError(
            f"--metrics {asked.names}: these records are of networks alone, without an encoder to say it of"
        )
    return files


def _joined(records: Sequence[Record], found: Mapping[str, Mapping[str, MetricResult]]) -> list[Record]:
    """Return copies of the records, extended with what was computed for each, by metric and record key."""
    return [
        replace(r, metrics=r.metrics | {name: said[r.key] for name, said in found.items() if r.key in said})
        for r in records
    ]


def write_boards(
    folders: Folders,
    dataset: str | None = None,
    asked: MetricRequest | None = None,
    *,
    beside: Beside | None = None,
) -> list[Path]:
    """Build the boards of a results folder (of one dataset, or of all). Returns the written files.

    asked: the metrics to show; None: all in the records. beside: dataset name -> page -> Markdown to add.
    """
    if not folders.results.is_dir():
        raise no_records(folders.results, dataset)
    # Read and written under one lock: if two runs end together, the later one sees the records of both.
    with storage(folders.leaderboards), folders.locked(folders.results, "boards"):
        wanted = [r for r in results.read_records(folders.results) if dataset in (None, r.dataset.name)]
        if not wanted:
            raise no_records(folders.results, dataset)
        files = board_files(wanted, folders.results, asked or MetricRequest(), beside)
        folders.leaderboards.mkdir(parents=True, exist_ok=True)
        written = []
        for name, text in sorted(files.items()):
            write_atomically(folders.leaderboards / name, text.encode())
            written.append(folders.leaderboards / name)
        return written
