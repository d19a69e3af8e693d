"""``python -m tools.train_minis NAME ... [--out DIR]``: train miniature networks and write what the plugins ship."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import click

from tools.train_minis.loop import train
from tools.train_minis.ship import report, ship
from tools.train_minis.stream import HELD_OUT, TRAIN, Stream, demo_digests

NAMES = ("imagenet", "clip", "mae", "mocov3", "dinov2", "sam", "sd")


@click.command()
@click.argument("names", nargs=-1, type=click.Choice((*NAMES, "all")), required=True)
@click.option(
    "--out", default="build/minis", show_default=True, type=click.Path(path_type=Path), help="Checkpoints and logs."
)
@click.option("--images", default=0, help="How many to train on.  [default: the objective's own]")
@click.option("--seed", default=0, show_default=True)
@click.option("--install", is_flag=True, help="Put the weights into the plugin's package.")
def main(names: tuple[str, ...], out: Path, images: int, seed: int, install: bool) -> None:
    """Train the minis of these families, one after the other; killed, the same command goes on where it was."""
    for name in NAMES if "all" in names else names:
        objective = import_module(f"tools.train_minis.objectives.{name}").make(seed)
        untrained = import_module(f"tools.train_minis.objectives.{name}").make(seed)
        recipe = replace(objective.recipe, images=images) if images else objective.recipe
        stream, held_out = Stream(TRAIN, out / "scenes"), Stream(HELD_OUT, out / "scenes")
        folder = out / f"{name}-{seed}"
        if shared := stream.shared(recipe.images, demo_digests(out)):
            raise click.ClickException(f"{shared} of the {recipe.images} training scenes are images of the demo")
        loss = train(objective, recipe, stream, folder, seed, click.echo)
        facts = report(objective, untrained, recipe, stream, held_out, seed) | {"loss": loss}
        path = ship(objective, facts, folder, name if install else None)
        click.echo(f"{name}: {facts}\nwrote {path}")


if __name__ == "__main__":
    main()
