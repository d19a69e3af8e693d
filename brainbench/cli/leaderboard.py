"""``brainbench leaderboard``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from brainbench.boards import Asked
    from brainbench.places import Places


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
    "--verify",
    "verifying",
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
    results: Path, leaderboards: Path, dataset: str | None, metrics: str | None, verifying: bool, data: Path | None
) -> int:
    """Build the leaderboards again from the records in RESULTS; the same records give the same bytes.

    With --verify: digests of records and of what lies beside them, every figure that the stored predictions can give
    (equal on the machine they were made on, within 1e-6 on others), and the boards, byte for byte. Exit 1 when something differs.
    """
    from brainbench.boards import Asked, installed_computed
    from brainbench.places import Places, default_cache
    from brainbench.registry import installed

    asked = Asked() if metrics is None else Asked(installed_computed(installed()), metrics)
    places = Places(results, leaderboards, default_cache())
    if verifying:
        return _verify(places, dataset, data, asked)
    if data is not None:
        raise click.UsageError(f"--data {data}: boards are built from records alone; did you mean --verify --data?")
    from brainbench.benchmark import write_boards

    for path in write_boards(places, dataset, asked):
        click.echo(f"wrote {path}")
    return 0


def _verify(places: Places, dataset: str | None, data: Path | None, asked: Asked) -> int:
    from brainbench.registry import installed
    from brainbench.verification import verify

    found = verify(places, installed(), dataset=dataset, data=data, asked=asked)
    for problem in found.problems:
        click.echo(f"{problem.where}: {' '.join(problem.what.split())}")
    for remark, count in sorted(found.remarks.items()):
        click.echo(f"{count} x {remark}")
    click.echo(
        f"{found.verified} records verified, {found.digest_only} without predictions (digest only), "
        f"{len(found.problems)} problems"
    )
    return int(bool(found.problems))
