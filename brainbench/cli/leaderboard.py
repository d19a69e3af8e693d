"""``brainbench leaderboard``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Build the boards again from records.")
@click.argument("results", default="results", type=click.Path(path_type=Path))
@click.option(
    "--leaderboards",
    default="leaderboards",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where boards go.",
)
@click.option("--dataset", metavar="NAME", help="Only this dataset's board.  [default: all]")
@click.option(
    "--metrics",
    metavar="NAMES",
    help="Names and globs: of metrics in the records, or computed from them (rssd, consistency, cost).  "
    "[default: all in the records]",
)
def leaderboard(results: Path, leaderboards: Path, dataset: str | None, metrics: str | None) -> None:
    """Build the leaderboards again from the records in RESULTS; the same records give the same bytes."""
    from brainbench.benchmark import write_boards
    from brainbench.boards import Asked, installed_computed
    from brainbench.places import Places, default_cache
    from brainbench.registry import installed

    asked = Asked() if metrics is None else Asked(installed_computed(installed()), metrics)
    for path in write_boards(Places(results, leaderboards, default_cache()), dataset, asked):
        click.echo(f"wrote {path}")
