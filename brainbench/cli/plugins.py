"""``brainbench plugins``."""

from __future__ import annotations

from typing import Any

import click


@click.command(short_help="Show the plugins, what each provides, and why one failed.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def plugins(as_json: bool) -> None:
    """Show the installed plugins, what each provides, and why one failed to load."""
    from brainbench.registry import installed

    registry = installed()
    rows: list[dict[str, Any]] = [
        {
            "distribution": p.distribution,
            "version": p.version,
            "plugin": p.name,
            "brings": {kind: [card.name for card in cards] for kind, cards in p.cards.items()},
            "error": p.error or _clash(p.distribution, p.name),
        }
        for p in registry.plugins
    ]
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=1))
        return
    from brainbench.cli.table import show

    show(
        ["distribution", "version", "brings", "state"],
        [[r["distribution"], r["version"], _brings(r["brings"]), r["error"] or "loaded"] for r in rows],
    )


def _brings(cards: dict[str, list[str]]) -> str:
    return ", ".join(f"{len(names)} {kind if len(names) != 1 else kind[:-1]}" for kind, names in cards.items()) or "-"


def _clash(distribution: str, plugin: str) -> str | None:
    """Describe a name of this plugin that another plugin claims too, if there is one."""
    from brainbench.registry import installed

    for shelf in installed().shelves():
        for name, owners in shelf.clashes.items():
            if any((p.distribution, p.name) == (distribution, plugin) for p in owners):
                return f"{shelf.kind[:-1]} {name!r} is offered by {' and '.join(p.distribution for p in owners)}"
    return None
