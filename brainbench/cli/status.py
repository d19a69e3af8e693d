"""``brainbench status``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from brainbench.commands.status import Standing
    from brainbench.results.under_way import Note

_EVERY_S = 5.0


@click.command(short_help="Show how far runs are, on whichever machines.")
@click.argument("results", default="results", type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help="Show it again when it changes, until nothing is left to be done.")
@click.option("--json", "as_json", is_flag=True, help="Print it as a JSON object.")
def status(results: Path, watch: bool, as_json: bool) -> None:
    """Show how many jobs of RESULTS are done, failed, running and waiting, and which machine is at which.

    It reads records, locks and notes, so that it works on any machine that sees the folder, while runs go on and after they
    were killed. Jobs are stopped if their process ended before they did: the same `brainbench run` goes on with them.
    """
    import json
    import sys
    import time
    from dataclasses import asdict

    from brainbench.commands.status import Watch

    seen = Watch(results)
    now = seen.look()
    if as_json:
        click.echo(json.dumps(asdict(now), indent=1))
        return
    _show(now, results)
    while watch and not now.over:
        time.sleep(_EVERY_S)
        before, now = now, seen.look()
        if now != before and sys.stdout.isatty():
            click.clear()
            _show(now, results)
        elif now != before:
            click.echo(", ".join(f"{name} {count}" for name, count in _counts(now)))


def _show(now: Standing, results: Path) -> None:
    from brainbench.cli.table import show

    show(["state", "jobs"], _counts(now))
    for name, several in (("running", now.running), ("stopped", now.stopped)):
        if several:
            click.echo()
            show([name, "on", "since"], [[one.label, one.host, _since(one)] for one in several])
    if now.failed:
        click.echo()
        show(["failed", "reason"], list(now.failed.items()))
    if not now.locks:
        click.echo(
            f"\n{results}: its file system cannot lock files, so what is running is a guess, and two processes may do the same "
            "job; use a folder on another file system"
        )


def _counts(now: Standing) -> list[tuple[str, int]]:
    counts = [
        ("done", now.done),
        ("failed", len(now.failed)),
        ("running", len(now.running)),
        ("waiting", len(now.waiting)),
    ]
    return counts + ([("stopped", len(now.stopped))] if now.stopped else [])


def _since(note: Note) -> str:
    import time

    then = time.localtime(note.since)
    today = time.strftime("%F", then) == time.strftime("%F")
    return time.strftime("%H:%M" if today else "%F %H:%M", then)
