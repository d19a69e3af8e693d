"""``brainbench run``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command(short_help="Fit encoders, score them, write a leaderboard.")
@click.option(
    "--backbones",
    default="all",
    show_default=True,
    metavar="NAMES",
    help="Comma list of names and globs. NAME@untrained: the library's own initialisation. A+B: a joint backbone with the "
    "layers of both. all: one per family.",
)
@click.option(
    "--encoders", default="factortopy,classtoken", show_default=True, metavar="NAMES", help="Names and globs."
)
@click.option(
    "--metrics", metavar="NAMES", help="Names and globs.  [default: those flagged default in `brainbench list`]"
)
@click.option(
    "--dataset", default="demo", show_default=True, metavar="NAME", help="The dataset on which networks are compared."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Path of the dataset, e.g. your folder; for planted, the name of a backbone.",
)
@click.option("--subjects", metavar="1,2", help="Subjects' names.  [default: all]")
@click.option("--seeds", default=1, show_default=True, metavar="N", help="Number of seeds.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--weights", multiple=True, metavar="untrained|NAME=FILE", help="Untrained networks, or a local checkpoint."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME.key=value",
    help="A setting of a backbone, encoder, metric, dataset or engine, by name, family or glob: factortopy.steps=500.",
)
@click.option(
    "--results",
    default="results",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for records.",
)
@click.option(
    "--leaderboards",
    default="leaderboards",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for boards.",
)
@click.option(
    "--keep",
    default="all",
    show_default=True,
    type=click.Choice(["all", "scores"]),
    help="all: keep predictions, selectors and fits; scores: keep only the records.",
)
@click.option(
    "--workers",
    default="auto",
    show_default=True,
    envvar="BRAINBENCH_WORKERS",
    show_envvar=True,
    metavar="N",
    help="Processes that share the jobs. auto: one per core, or per GPU, as far as memory goes.",
)
@click.option(
    "--engine",
    default="local",
    show_default=True,
    metavar="NAME",
    help="Where the jobs are done: on this machine, or on a cluster (docs/cluster.md).",
)
@click.option("--detach", is_flag=True, help="Hand the jobs to the engine's queue, print what it calls them, and stop.")
@click.option("--no-controls", is_flag=True, help="Leave out pixels, random, shuffled and the untrained twins.")
@click.option("--dry-run", is_flag=True, help="Print the jobs with their memory and disk, and stop.")
@click.option("--fresh", is_flag=True, help="Repeat finished jobs, tokens included.")
@click.option("--retry-failed", is_flag=True, help="Do the jobs that failed, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as a JSON list.")
def run(no_controls: bool, dry_run: bool, as_json: bool, **options: Any) -> int:
    """Fit encoders from networks to brains, score them and write a leaderboard.

    Without options, it runs every installed family's miniature network on three simulated subjects, in about 20 minutes,
    and writes leaderboards/demo.md. If interrupted, run the same command again to resume.

    \b
    Your own data:      brainbench run --dataset folder --data PATH
    One network:        brainbench run --backbones clip/vit-b-16-openai --dataset folder --data PATH
    Preview:            brainbench run --backbones all --dry-run
    """
    import os

    # Read when torch is loaded. Threads that spin while they wait make a fit ten times slower as soon as another
    # process wants a core (docs/decisions/005).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from brainbench.cli import progress
    from brainbench.planning.request import Request
    from brainbench.registry import installed
    from brainbench.util.folders import Folders, default_cache

    folders = Folders(options.pop("results"), options.pop("leaderboards"), default_cache())
    how = {name: options.pop(name) for name in ("device", "keep", "fresh", "workers", "retry_failed", "detach")}
    request = Request(controls=not no_controls, **options)
    with progress.reporter() as report:
        return _run(request, installed(), folders, how, report, dry_run=dry_run, as_json=as_json)


def _run(
    request: Any, registry: Any, folders: Any, how: dict[str, Any], report: Any, *, dry_run: bool, as_json: bool
) -> int:
    import json

    with report.task(f"opening {request.dataset}"):
        from brainbench.cli import top
        from brainbench.planning import estimate
        from brainbench.registry import split_list
        from brainbench.runner import exit_code
        from brainbench.runner.benchmark import Benchmark
        from brainbench.util.files import file_name

        benchmark = Benchmark.open(request, registry, folders, **how)
    if dry_run:
        rows = estimate.jobs(benchmark.plan, benchmark.keep)
        click.echo(json.dumps(rows, indent=1) if as_json else estimate.text(rows, benchmark.plan))
        return 0
    for line in estimate.announcement(benchmark.plan):
        report.message(line)
    broken = [plugin for plugin in registry.plugins if plugin.error]
    for plugin in broken:
        report.message(f"not loaded: {plugin}: {plugin.error}")
    records = benchmark.ordered(benchmark.run(report))
    if as_json:
        click.echo(json.dumps([record.to_json() for record in records], indent=1))
    elif benchmark.detach:
        click.echo(f"Progress:  brainbench status {folders.results} --watch")
        click.echo(f"Boards:    brainbench leaderboard {folders.results}")
    else:
        board = folders.leaderboards / f"{file_name(benchmark.plan.data.card.name)}.json"
        top.show(board, benchmark.plan.data.dataset.version, simulated=benchmark.plan.data.simulated)
    # --backbones all is incomplete if a plugin failed to load.
    return exit_code(records) or int(bool(broken) and "all" in split_list(request.backbones, "backbones"))
