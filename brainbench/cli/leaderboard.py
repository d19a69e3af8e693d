"""``brainbench leaderboard``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from brainbench.util.folders import Folders


@click.command(short_help="Rebuild the boards from records, or verify them.")
@click.argument("results", default="results", type=click.Path(path_type=Path))
@click.option(
    "--leaderboards",
    default="leaderboards",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for boards.",
)
@click.option("--dataset", metavar="NAME", help="Only this dataset's board.  [default: all]")
@click.option(
    "--metrics",
    metavar="NAMES",
    help="Names and globs of metrics in the records, or computed from them (rssd, consistency, cost).  "
    "[default: all in the records]",
)
@click.option(
    "--beside",
    type=click.Choice(["paper"]),
    help="Add published tables below each board, unranked: those of Brain Decodes Deep Nets.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Write nothing: score the stored predictions again, and list what differs from records and boards.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="For --verify: path of the dataset, as for `brainbench run`.",
)
def leaderboard(
    results: Path,
    leaderboards: Path,
    dataset: str | None,
    metrics: str | None,
    beside: str | None,
    verify: bool,
    data: Path | None,
) -> int:
    """Rebuild the leaderboards from the records in RESULTS. The same records give the same bytes.

    --verify compares the digests of records and stored files, every score that the stored predictions can give (equal on the
    machine that made them, within 1e-6 on others), and the boards, byte for byte. It exits with 1 if something differs.
    """
    from brainbench.leaderboard import published
    from brainbench.leaderboard.shown_metrics import MetricRequest, installed_computed
    from brainbench.registry import installed
    from brainbench.util.folders import Folders, default_cache

    asked = MetricRequest() if metrics is None else MetricRequest(installed_computed(installed()), metrics)
    folders = Folders(results, leaderboards, default_cache())
    section = published.sections if beside else None
    if verify:
        return _verify(folders, dataset=dataset, data=data, asked=asked, beside=section)
    if data is not None:
        raise click.UsageError(f"--data {data}: boards are built from records alone; did you mean --verify --data?")
    from brainbench.leaderboard.files import write_boards

    for path in write_boards(folders, dataset, asked, beside=section):
        click.echo(f"wrote {path}")
    return 0


def _verify(folders: Folders, **asked: Any) -> int:
    from brainbench.commands.verify import verify
    from brainbench.registry import installed

    found = verify(folders, installed(), **asked)
    for problem in found.problems:
        click.echo(f"{problem.where}: {' '.join(problem.what.split())}")
    for remark, count in sorted(found.remarks.items()):
        click.echo(f"{count} x {remark}")
    click.echo(
        f"{found.verified} records verified, {found.digest_only} without predictions (digest only), "
        f"{len(found.problems)} problems"
    )
    return int(bool(found.problems))
