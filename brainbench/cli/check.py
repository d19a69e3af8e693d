"""``brainbench check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from brainbench.registry import Registry


@click.command(short_help="Check that a backbone, encoder, metric or dataset fulfils its contract.")
@click.argument("name")
@click.option(
    "--data",
    metavar="BACKBONE|PATH",
    help="For an encoder: the backbone whose tokens the planted brains read [default: random]. For a dataset: its folder; "
    "without one, the dataset is simulated if possible.",
)
@click.option("--seeds", default=3, show_default=True, metavar="N", help="Number of seeds; medians are shown.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME.key=value", help="A setting of the encoder or of planted."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def check(name: str, data: str | None, seeds: int, device: str, settings: tuple[str, ...], as_json: bool) -> int:
    """Check NAME: a backbone (also a glob, e.g. '*/mini'), an encoder, a metric or a dataset. Exits 0 if every check passes.

    A backbone is loaded untrained and asked for tokens. The checks include shapes, determinism, independence of the batch,
    agreement with the card, and no use of the network. A small backbone takes seconds. A metric scores made-up inputs of
    every kind; a dataset is opened and read.

    An encoder is fitted to simulated brains whose voxels read a network's tokens through known selectors. The table compares
    what it recovered with what is expected. This takes a few minutes. --seeds, --device and --set are for encoders.
    """
    import os

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from brainbench.registry import installed

    registry = installed()
    if name in {entry.name for entry in registry.encoders}:
        return _encoder(name, data or "random", seeds, settings, device, registry, as_json)
    return _conforms(name, data, registry, as_json)


def _conforms(names: str, data: str | None, registry: Registry, as_json: bool) -> int:
    from dataclasses import asdict
    from pathlib import Path

    from brainbench.commands.check import check_named

    found = list(check_named(names, Path(data) if data else None, registry))
    rows = [[f.name, f.check, "pass" if f.passed else "fail", f.seen] for f in found]
    _print(["name", "check", "verdict", "seen"], rows, [asdict(f) for f in found], as_json)
    return 0 if all(f.passed for f in found) else 1


def _encoder(
    name: str, data: str, seeds: int, settings: Sequence[str], device: str, registry: Registry, as_json: bool
) -> int:
    from dataclasses import asdict

    from brainbench.cli import progress
    from brainbench.commands.check import check_encoder

    with progress.reporter() as report:
        found = check_encoder(name, data, seeds, settings, device, registry, report)
    rows = [[f.figure, f"{f.recovered:.3f}", f.expected, "pass" if f.within else "fail"] for f in found]
    _print(["score", "recovered", "expected", "verdict"], rows, [asdict(f) for f in found], as_json)
    return 0 if all(f.within for f in found) else 1


def _print(header: Sequence[str], rows: Sequence[Sequence[str]], facts: Sequence[object], as_json: bool) -> None:
    if as_json:
        import json

        click.echo(json.dumps(facts, indent=1))
    else:
        from brainbench.cli.table import show

        show(header, rows)
