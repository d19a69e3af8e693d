"""``brainbench cache``."""

from __future__ import annotations

import click


@click.group(invoke_without_command=True, short_help="Show what is cached, and why something was not a hit.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
@click.pass_context
def cache(context: click.Context, as_json: bool) -> None:
    """Show the cached features, and why each was or was not a hit at its last lookup.

    The cache is in $BRAINBENCH_CACHE or, if that is not set, in ~/.cache/brainbench.
    """
    if context.invoked_subcommand:
        return
    from brainbench.pipeline.feature_cache import datasets_mb, entries
    from brainbench.util.folders import default_cache

    found = entries(default_cache())
    if as_json:
        import json

        click.echo(json.dumps(found, indent=1))
        return
    from brainbench.cli.table import show

    features = f"{len(found)} sets of features, {sum(e['mb'] for e in found):.1f} MB"
    click.echo(f"{default_cache()}: {features}; datasets' own files, {datasets_mb(default_cache()):.1f} MB")
    if found:
        columns = ["key", "backbone", "weights", "stimuli", "grid", "mb", "last lookup"]
        show(columns, [[e["key"][:12], *(e[c] for c in columns[1:])] for e in found])


@cache.command()
@click.argument("backbone", default="*")
def clear(backbone: str) -> None:
    """Delete the cached features of BACKBONE (a name or glob; default: all)."""
    from brainbench.pipeline.feature_cache import remove
    from brainbench.util.folders import default_cache

    count, megabytes = remove(default_cache(), backbone)
    click.echo(f"deleted {count} sets of features, {megabytes:.1f} MB")
