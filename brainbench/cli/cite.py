"""``brainbench cite``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="What to cite for the boards of some records.")
@click.argument("results", default="results", type=click.Path(path_type=Path))
@click.option("--bibtex", is_flag=True, help="Print BibTeX: brainbench and the papers.")
def cite(results: Path, bibtex: bool) -> None:
    """Print what stands behind the boards of RESULTS: papers, weights with sha256 and licence, data, libraries.

    Weights, data and versions are what the records say; papers are known for what is installed, and the rest is named.
    """
    from brainbench.commands.cite import behind
    from brainbench.registry import installed
    from brainbench.results.store import no_records, read_records

    records = read_records(results)
    if not records:
        raise no_records(results)
    found = behind(records, installed())
    click.echo(found.bibtex() if bibtex else found.text())
    if bibtex:
        for line in found.unknown:
            click.echo(f"not installed here: {line}", err=True)
