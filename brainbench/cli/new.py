"""``brainbench new``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write a plugin to start from.")
@click.argument("kind", type=click.Choice(["backbone", "encoder", "metric", "dataset"]))
@click.argument("name")
@click.option(
    "--into", default=".", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write it to; default: here."
)
def new(kind: str, name: str, into: Path) -> None:
    """Write a plugin distribution with a working backbone, encoder, metric or dataset, brainbench-plugin-NAME, to change.

    It installs, passes `brainbench check` and its own tests as it is.
    """
    from brainbench.commands.new import write_plugin
    from brainbench.registry import installed

    place = write_plugin(kind, name, into, installed())
    card = f"{name}/small" if kind == "backbone" else name
    click.echo(f"wrote {place}; next: pip install -e {place} && brainbench check {card}")
