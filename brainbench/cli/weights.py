"""``brainbench weights``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from brainbench.commands.weights import WeightsOnDisk


@click.group(short_help="Fetch, verify and convert the weights of networks.")
def weights() -> None:
    """Fetch, verify and convert the weights of networks.

    Released weights are in the cache of the library they come from, where other tools find them too: that of the Hugging Face
    hub (HF_HOME) or of torch (TORCH_HOME).
    """


@weights.command(short_help="Download released weights that are not cached yet.")
@click.argument("backbones")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def fetch(backbones: str, as_json: bool) -> int:
    """Download the released weights of BACKBONES (names and globs, e.g. dinov2/vit-b-14,clip/*) to their cache.

    This needs a network; later runs find the weights without one. Exits with 1 if a download failed.
    """
    from brainbench.commands.weights import fetch as fetched
    from brainbench.registry import installed

    return _shown(fetched(backbones, installed()), as_json)


@weights.command(short_help="Check the sha256 of cached weights and load them.")
@click.argument("backbones")
@click.option("--weights", "files", multiple=True, metavar="NAME=FILE", help="Check this file instead of the release.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def verify(backbones: str, files: tuple[str, ...], as_json: bool) -> int:
    """Check the weights of BACKBONES that are on this machine: their sha256, and that they fit their network exactly.

    Downloads nothing. Exits with 1 if weights are missing, damaged or belong to another network.
    """
    from brainbench.commands.weights import verify as verified
    from brainbench.registry import installed

    return _shown(verified(backbones, files, installed()), as_json)


@weights.command(short_help="Rewrite a checkpoint as safetensors.")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
def convert(source: Path, target: Path) -> None:
    """Write the tensors of the checkpoint SOURCE to TARGET, a safetensors file, names and values unchanged.

    No code in SOURCE is executed. Everything but tensors (an optimizer's state, settings) is dropped.
    """
    from brainbench.commands.weights import convert as converted

    click.echo(f"wrote {target}: {converted(source, target)} tensors")


def _shown(rows: Iterator[WeightsOnDisk], as_json: bool) -> int:
    found = list(rows)
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps([asdict(row) for row in found], indent=1))
    else:
        from brainbench.cli.table import show

        show(
            ["name", "weights", "MB", "sha256", "where, or what is wrong"],
            [[r.name, r.weights, f"{r.mb:,.1f}", r.sha256[:16] or "-", r.problem or r.path] for r in found],
        )
    return int(any(row.problem for row in found))
