"""``brainbench list``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from brainbench.cards import BackboneCard

if TYPE_CHECKING:
    from brainbench.registry import Entry

_COMMON = " ".join(f"{s.name}={s.default}" for s in BackboneCard(name="any", loader=dict).all_settings())
KINDS = ("backbones", "encoders", "metrics", "datasets", "engines")


@click.command("list", short_help="List what is installed, with every setting.")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.argument("names", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list with every fact and setting.")
def list_(kind: str | None, names: str | None, as_json: bool) -> None:
    """List what is installed: backbones, encoders, metrics, datasets or engines (all of them without an argument).

    The options of `brainbench run` take the names in the first column. With NAMES (names and globs, e.g. timm/resnet18 or clip/*),
    every fact of these is shown.
    """
    from brainbench.registry import describe_card, installed

    registry = installed()
    shelves = [shelf for shelf in registry.shelves() if kind in (None, shelf.kind)]
    chosen = [(shelf, shelf.select(names) if names else tuple(shelf)) for shelf in shelves]
    if as_json:
        import json

        rows = [{"kind": shelf.kind[:-1], **describe_card(entry)} for shelf, entries in chosen for entry in entries]
        click.echo(json.dumps(rows, indent=1))
        return
    from brainbench.cli.table import show

    if names:
        for number, entry in enumerate(entry for _, entries in chosen for entry in entries):
            click.echo("\n" * bool(number), nl=False)
            show([entry.name, ""], _facts(describe_card(entry)))
        return
    if broken := [plugin.distribution for plugin in registry.plugins if plugin.error]:
        click.echo(f"not loaded: {', '.join(broken)}; `brainbench plugins` says why", err=True)
    for number, shelf in enumerate(shelves):
        if len(shelves) > 1:
            click.echo(("\n" if number else "") + shelf.kind)
        show(["name", "from", "flags", "settings", "summary"], [_row(entry) for entry in shelf])
        if shelf.kind == "backbones":
            click.echo(f"and for every backbone: {_COMMON}")


def _facts(described: Mapping[str, Any]) -> list[list[str]]:
    """What a card says, one fact a line; what it leaves open is not shown."""
    facts = {key: value for key, value in described.items() if value not in (None, "", [], {}, False)}
    settings = {one["name"]: one["default"] for one in facts.pop("settings", ())}
    facts = {key: _shown(value) for key, value in facts.items() if key != "name"}
    return [[key, text] for key, text in {**facts, "settings": _shown(settings)}.items()]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else " ".join(str(value).split())


def _row(entry: Entry[Any]) -> list[str]:
    card = entry.card
    flags = [
        flag for flag in ("default", "mini", "control", "simulated", "pattern", "queue") if getattr(card, flag, False)
    ]
    # What `brainbench data` can do with a dataset.
    flags += [verb for verb, part in (("check", "root"), ("make", "maker")) if getattr(card, part, None)]
    settings = " ".join(s.name if s.default is None else f"{s.name}={s.default}" for s in card.settings)
    return [card.name, entry.plugin.distribution, " ".join(flags) or "-", settings or "-", card.summary or "-"]
