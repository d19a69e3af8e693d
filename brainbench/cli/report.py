"""``brainbench report``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Make HTML pages from a results folder.")
@click.argument("results", default="results", type=click.Path(path_type=Path))
@click.option(
    "--out",
    default="report",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the pages: new, empty, or with an earlier report.",
)
@click.option("--dataset", metavar="NAME", help="Only this dataset.  [default: all]")
def report(results: Path, out: Path, dataset: str | None) -> int:
    """Make a folder of pages from the records in RESULTS: DIR/index.html opens from disk, without a network.

    The pages are the leaderboard, to sort and filter; one page for every backbone and encoder, with its maps, an interactive
    cortex, settings and versions; and a comparison of any two. The same records give the same bytes.
    """
    from brainbench.report import write_report

    click.echo(f"wrote {write_report(results, out, dataset)}")
    return 0
