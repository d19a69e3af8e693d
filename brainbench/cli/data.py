"""``brainbench data``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from brainbench.commands.data_check import Disk, Inspection, Subject
    from brainbench.parts import Part
    from brainbench.records import DatasetFacts


@click.group(invoke_without_command=True, short_help="Check a dataset on disk before a run, download or make one.")
@click.pass_context
def data(context: click.Context) -> None:
    """Check a dataset on disk before a run, download one, or write a small simulated one in the same layout."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@data.command(short_help="Print what is present and missing, and the command that runs it.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--as", "name", metavar="NAME", help="The dataset.  [default: the one whose layout it has]")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME.key=value", help="A setting of the dataset, as for run."
)
@click.option("--subjects", metavar="1,2", help="Subjects' names.  [default: all]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of tables.")
def check(path: Path, name: str | None, settings: tuple[str, ...], subjects: str | None, as_json: bool) -> int:
    """Read the dataset in PATH as a run would, and print what is present, what is missing and what a run needs.

    The last line is the command that runs it. Each problem is one line on standard error, and the exit code is 2. Findings
    about files are stored in the cache; nothing else is written.
    """
    import os

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from brainbench.cli import progress
    from brainbench.commands.data_check import inspect
    from brainbench.registry import installed
    from brainbench.util.folders import default_cache

    with progress.reporter() as report:
        found = inspect(path, installed(), default_cache(), report, name=name, settings=settings, subjects=subjects)
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps(asdict(found), indent=1, default=str))
    else:
        _show(found)
    for problem in found.problems:
        click.echo(f"brainbench: {' '.join(problem.split())}", err=True)
    return 2 if found.problems else 0


class _Make(click.Command):
    """Lists, below the options, the settings of every dataset that can be simulated."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from brainbench.commands.data_make import makers
        from brainbench.registry import installed

        for entry in makers(installed()):
            with formatter.section(f"{entry.name} (from {entry.plugin.distribution})"):
                formatter.write_dl([(f"{s.name}={s.default}", s.help) for s in entry.card.maker_settings])


@data.command(cls=_Make, short_help="Write a small simulated dataset in a dataset's layout.")
@click.argument("name")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--set", "settings", multiple=True, metavar="key=value", help="A size or a seed; see below.")
def make(name: str, folder: Path, settings: tuple[str, ...]) -> None:
    """Write a simulated dataset in the layout of NAME to DIR, to try things before you have the real data.

    DIR must be new or empty.
    """
    import shlex

    from brainbench.commands.data_make import make as made
    from brainbench.registry import installed

    made(name, folder, settings, installed())
    click.echo(f"simulated: {folder} has the layout of {name}; no brain was measured")
    click.echo(shlex.join(["brainbench", "data", "check", str(folder)]))


@data.command(short_help="Download a dataset that needs no form.")
@click.argument("name")
@click.option("--to", "folder", metavar="DIR", type=click.Path(path_type=Path), help="[default: a folder in the cache]")
@click.option(
    "--mirror", metavar="URL", default="", help="A copy of the site, below which the files have the same places."
)
@click.option("--yes", is_flag=True, help="Accept the licence without being asked.")
def fetch(name: str, folder: Path | None, mirror: str, yes: bool) -> None:
    """Download the dataset NAME and compare each file with its published sha256.

    The licence is printed, and asked about once. A download that broke off goes on where it stopped when the same command is
    given again. The last line is the command that runs the dataset.
    """
    import shlex
    import sys

    from brainbench.cli import progress
    from brainbench.commands.data_fetch import offer
    from brainbench.registry import installed
    from brainbench.util.folders import default_cache

    found = offer(name, folder, installed(), default_cache())
    if not found.accepted:
        click.echo(found.terms, err=True)
        if yes or (sys.stdin.isatty() and click.confirm("accept the licence and download?", err=True)):
            found.accept()
    with progress.reporter() as report:
        found.fetch(report, mirror)
    where = ["--data", str(folder)] if folder else []
    click.echo(shlex.join(["brainbench", "run", "--dataset", name, *where]))


def _show(found: Inspection) -> None:
    from brainbench.cli.table import show

    show(["dataset", found.dataset], [("root", found.root), *_about(found), *_files(found.files)])
    for name, subject in found.subjects.items():
        click.echo()
        show(["subject", name], [*_files(subject.files), *_seen(subject)])
    if found.disk is None or found.memory is None:
        return
    disk, memory = found.disk, found.memory
    dataset = "" if disk.dataset is None else f"dataset {_size(disk.dataset)}; "
    cache = f"features {_size(disk.features)}, prepared responses {_size(disk.responses)}"
    rows = [
        ("disk", f"{dataset}to the cache: {cache}; results {_size(disk.results)}"),
        ("free", f"{_size(disk.cache_free)} on the disk of the cache{_too_little(disk)}"),
        ("memory", f"at most {_size(memory.run)} for data and fit, of {_size(memory.machine)}"),
    ]
    click.echo()
    show(["a run", "with every default"], rows)
    click.echo(f"\n{found.command}")


def _about(found: Inspection) -> Iterator[tuple[str, str]]:
    told = next((one.facts for one in found.subjects.values() if one.facts), None)
    if told is None:
        return
    yield "title", f"{told.title}, version {told.version}"
    if told.licence:
        yield "licence", told.licence
    if told.simulated:
        yield "simulated", "no brain was measured"


def _too_little(disk: Disk) -> str:
    if (disk.features or 0.0) + disk.responses <= disk.cache_free:
        return ""
    return ": too little; name fewer networks with --backbones, or move the cache with BRAINBENCH_CACHE"


def _files(parts: tuple[Part, ...]) -> Iterator[tuple[str, str]]:
    for part in parts:
        source = f"; from {part.source}" if part.source else ""
        if part.there:
            detail = f", {part.detail}" if part.detail else ""
            yield part.what, f"{part.place.name}, {_size(part.size / 1e6)}{detail}"
        elif part.needed:
            yield part.what, f"MISSING: {part.place}{source}"
    # Optional files that are missing share one line, to fit on a screen.
    spared = [f"{part.what} ({part.place.name})" for part in parts if not part.there and not part.needed]
    if spared:
        yield "not there", f"optional: {'; '.join(spared)}"


def _seen(subject: Subject) -> Iterator[tuple[str, str]]:
    if subject.facts is None:
        yield "problem", subject.problem or "not read"
        return
    told = subject.facts
    unmeasured = f", {subject.unmeasured:,} of them without responses" if subject.unmeasured else ""
    copies = f"{subject.copies:,} repeat another's content" if subject.copies else "no two alike"
    yield "images", f"{told.stimuli:,}{unmeasured}; all can be read; {copies}"
    if subject.labels is not None:
        groups = f"; {subject.groups:,} groups, which no split separates" if subject.groups else ""
        yield "classes", ", ".join(f"{name} {count:,}" for name, count in subject.labels.items()) + groups
    if subject.alignment is None:
        yield "responses", "none"
    else:
        yield from _measured(subject, told)
    for note in subject.notes:
        yield "note", note


def _measured(subject: Subject, told: DatasetFacts) -> Iterator[tuple[str, str]]:
    rows = subject.alignment
    if rows is None:
        return
    lost = len(told.dropped_voxels)
    each = "one row" if rows.most == 1 else f"{rows.fewest:,} to {rows.most:,} rows"
    each = f"{rows.most:,} rows" if 1 < rows.most == rows.fewest else each
    without = f"; {rows.without:,} images have none" if rows.without else ""
    yield "responses", f"{told.responses:,} rows x {told.voxels:,} voxels"
    yield "alignment", f"{each} an image{without}; the first row is {rows.first}, the last {rows.last}"
    yield "voxels lost", f"{lost:,} of {told.voxels + lost:,}, to NaN, infinite or constant values" if lost else "none"
    yield "ROIs", ", ".join(f"{name} {count:,}" for name, count in told.rois.items()) or "none"
    sizes = ", ".join(f"{name} {size:,}" for name, size in told.split_sizes.items())
    yield "split", f"{sizes} rows; hash {(told.split_hash or '')[:12]}"
    if subject.noise_ceiling is None:
        yield "noise ceiling", "none: scores are not compared with a ceiling"
    else:
        words = zip(("least", "quarter", "median", "three quarters", "most"), subject.noise_ceiling, strict=True)
        yield "noise ceiling", ", ".join(f"{word} {value:.3f}" for word, value in words)
    yield "topology", _topology(subject)


def _topology(subject: Subject) -> str:
    mesh = subject.mesh
    where = f"mesh {mesh['name']}, {mesh['left']:,} left and {mesh['right']:,} right" if mesh else "voxels in space"
    if subject.coordinates is None:
        return f"none, as the notes say{f'; {where}' if mesh else ''}"
    spans = zip("xyz", *subject.coordinates, strict=True)
    return f"{where}; " + ", ".join(f"{axis} {low:.0f} to {high:.0f}" for axis, low, high in spans) + " mm"


def _size(megabytes: float | None) -> str:
    if megabytes is None:
        return "unknown"
    if megabytes >= 1000:
        return f"{megabytes / 1000:,.1f} GB"
    if megabytes >= 1:
        return f"{megabytes:,.1f} MB"
    return f"{megabytes * 1e3:,.0f} kB" if megabytes >= 1e-3 else f"{megabytes * 1e6:,.0f} bytes"
