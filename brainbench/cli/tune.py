"""``brainbench tune``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class _Tune(click.Command):
    """Lists, below the options, the settings of the recipe."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from brainbench.tuning.recipe import TUNE

        with formatter.section("The recipe (--set tune.key=value)"):
            formatter.write_dl([(f"{s.name}={s.default}", s.help) for s in TUNE.settings])


@click.command(cls=_Tune, short_help="Tune networks on labelled images; runs then select them as NAME@TASK.")
@click.argument("names", metavar="NAMES")
@click.option("--on", "dataset", required=True, metavar="TASK", help="A dataset of labelled images, e.g. eurosat.")
@click.option("--data", type=click.Path(path_type=Path), metavar="PATH", help="Path of the dataset.")
@click.option("--as", "called", metavar="NAME", help="Name of the task in NAME@TASK.  [default: the dataset's]")
@click.option("--seeds", default=1, show_default=True, metavar="N", help="Number of seeds: images, head, order.")
@click.option(
    "--images-per-class", default=50, show_default=True, metavar="N", help="Training images; the rest is to test."
)
@click.option(
    "--head-layer",
    "layers",
    default="last",
    show_default=True,
    metavar="L",
    help="Layers at which the head is: numbers from 1, names, last or all.",
)
@click.option("--weights", multiple=True, metavar="NAME=FILE", help="A local checkpoint to begin with.")
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu or cuda.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME.key=value",
    help="A setting of the recipe (tune.steps=500; see below), a network or the dataset.",
)
@click.option(
    "--leaderboards",
    default="leaderboards",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the tables.",
)
def tune(leaderboards: Path, device: str, names: str, **options: Any) -> int:
    """Tune networks on the labelled images of TASK and write <task>.accuracy.md and .csv.

    NAMES is a comma list of names and globs. Each tuned network is stored in the cache and is from then on a network like any
    other: `brainbench run --backbones 'NAME,NAME@TASK'` scores it before and after. NAME@TASK/seed-1 is the one of the second
    seed, NAME@TASK/layer-7 the one with the head at layer 7. If interrupted, run the same command again to resume.
    """
    import os

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from brainbench.cli import progress

    with progress.reporter() as report:
        with report.task("starting"):
            from brainbench.commands.tune import TuneRequest
            from brainbench.commands.tune import tune as tuned
            from brainbench.registry import installed
            from brainbench.util.folders import default_cache
            from brainbench.util.memory import resolve_device

        request, failed, tables = TuneRequest(backbones=names, **options), 0, ""
        for task, outcome in tuned(request, installed(), default_cache(), resolve_device(device), report):
            tables = task.name
            if outcome.problem:
                failed += 1
                report.message(f"failed: {outcome.name}: {outcome.problem}")
            else:
                report.message(f"{'was there' if outcome.there else 'tuned'}: {outcome.name}")
    from brainbench.tuning.tables import write_tables

    for path in write_tables(tables, default_cache(), leaderboards):
        click.echo(f"wrote {path}")
    return int(failed > 0)
