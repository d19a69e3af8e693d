"""``brainbench plot``."""

from __future__ import annotations

from pathlib import Path

import click

KINDS = ("layers", "scale", "space", "r2", "weights")


@click.command(short_help="Paint a network onto the cortex.")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="pdf, png or svg.  [default: KIND-NAME.png]"
)
@click.option(
    "--results",
    default="results",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the records lie.",
)
@click.option("--dataset", metavar="NAME", help="Which dataset, if there are records of several.")
@click.option("--encoder", default="factortopy", show_default=True, metavar="NAME", help="Which encoder's fit.")
@click.option("--subject", metavar="NAME", help="One subject.  [default: all, averaged where they share a mesh]")
@click.option("--seed", default=0, show_default=True, help="Which seed's fit.")
def plot(
    kind: str,
    name: str,
    out: Path | None,
    results: Path,
    dataset: str | None,
    encoder: str,
    subject: str | None,
    seed: int,
) -> int:
    """Paint what voxels read of the backbone NAME: onto a flat map and the inflated cortex, or, without a mesh, as strips by ROI.

    \b
    layers   hue: the layer with the largest weight, brightness: confidence
    weights  every layer's own weight
    scale    local tokens or the global one
    space    where in the image voxels look
    r2       how well they are predicted

    The records must have been made with --keep all, as they are unless you said otherwise.
    """
    from brainbench.plot import MAPS, chosen_voxels, save

    voxels = chosen_voxels(results, name, dataset=dataset, encoder=encoder, subject=subject, seed=seed)
    path = out or Path(f"{kind}-{name.replace('/', '-')}.png")
    save(MAPS[kind](voxels), path)
    click.echo(f"wrote {path}")
    return 0
