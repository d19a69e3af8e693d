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
    "--beside",
    type=click.Choice(["paper"]),
    help="Put published tables, unranked, below each board: those of Brain Decodes Deep Nets.",
)
def leaderboard(results: Path, leaderboards: Path, dataset: str | None, beside: str | None) -> None:
    """Build the leaderboards again from the records in RESULTS; the same records give the same bytes."""
    from brainbench import paper
    from brainbench.benchmark import write_boards
    from brainbench.places import Places, default_cache

    places = Places(results, leaderboards, default_cache())
    for path in write_boards(places, dataset, beside=paper.section if beside else None):
        click.echo(f"wrote {path}")
