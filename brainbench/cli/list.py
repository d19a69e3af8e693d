"""``brainbench list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from brainbench.cards import BackboneCard

if TYPE_CHECKING:
    from brainbench.registry import Entry

_COMMON = " ".join(f"{s.name}={s.default}" for s in BackboneCard(name="any", loader=dict).all_settings())
KINDS = ("backbones", "encoders", "metrics", "datasets")


@click.command("list", short_help="List what is installed, with every setting.")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list with every fact and setting.")
def list_(kind: str | None, as_json: bool) -> None:
    """List what is installed: backbones, encoders, metrics or datasets (all four without an argument).

    The options of `brainbench run` take the names in the first column.
    """
    from brainbench.registry import describe_card, installed

    registry = installed()
    shelves = [shelf for shelf in registry.shelves() if kind in (None, shelf.kind)]
    if as_json:
        import json

        rows = [{"kind": shelf.kind[:-1], **describe_card(entry)} for shelf in shelves for entry in shelf]
        click.echo(json.dumps(rows, indent=1))
        return
    from brainbench.cli.table import show

    if broken := [plugin.distribution for plugin in registry.plugins if plugin.error]:
        click.echo(f"not loaded: {', '.join(broken)}; `brainbench plugins` says why", err=True)
    for number, shelf in enumerate(shelves):
        if len(shelves) > 1:
            click.echo(("\n" if number else "") + shelf.kind)
        show(["name", "from", "flags", "settings", "summary"], [_row(entry) for entry in shelf])
        if shelf.kind == "backbones":
            click.echo(f"and for every backbone: {_COMMON}")


def _row(entry: Entry[Any]) -> list[str]:
    card = entry.card
    flags = [flag for flag in ("default", "mini", "control", "simulated", "pattern") if getattr(card, flag, False)]
    # What `brainbench data` can do with a dataset.
    flags += [verb for verb, part in (("check", "root"), ("make", "maker")) if getattr(card, part, None)]
    settings = " ".join(s.name if s.default is None else f"{s.name}={s.default}" for s in card.settings)
    return [card.name, entry.plugin.distribution, " ".join(flags) or "-", settings or "-", card.summary or "-"]
