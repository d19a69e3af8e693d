"""``brainbench cite``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="List what to cite for the boards of a results folder.")
@click.argument("results", default="results", type=click.Path(path_type=Path))
@click.option("--bibtex", is_flag=True, help="Print BibTeX: brainbench and the papers.")
def cite(results: Path, bibtex: bool) -> None:
    """Print the papers, weights (with sha256 and licence), data and libraries behind the boards of RESULTS.

    Weights, data and versions come from the records, papers from the installed plugins. What is not installed is named.
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
