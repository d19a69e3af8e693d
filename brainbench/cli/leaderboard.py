"""``brainbench leaderboard``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from brainbench.util.folders import Folders


@click.command(short_help="Build the boards again from records, or verify them.")
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
@click.option(
    "--beside",
    type=click.Choice(["paper"]),
    help="Put published tables, unranked, below each board: those of Brain Decodes Deep Nets.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Write nothing: score the stored predictions again and say what differs, also on the boards.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="For --verify: where the dataset lies, as for `brainbench run`.",
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
    """Build the leaderboards again from the records in RESULTS; the same records give the same bytes.

    With --verify: digests of records and of what lies beside them, every figure that the stored predictions can give
    (equal on the machine they were made on, within 1e-6 on others), and the boards, byte for byte. Exit 1 when something differs.
    """
    from brainbench.leaderboard import published
    from brainbench.leaderboard.shown_metrics import MetricRequest, installed_computed
    from brainbench.registry import installed
    from brainbench.util.folders import Folders, default_cache

    asked = MetricRequest() if metrics is None else MetricRequest(installed_computed(installed()), metrics)
    folders = Folders(results, leaderboards, default_cache())
    section = published.section if beside else None
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
