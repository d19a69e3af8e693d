"""``brainbench plot``."""

from __future__ import annotations

from pathlib import Path

import click

from brainbench.plot.kinds import KINDS

_HELP = """Plot what voxels read from the backbone NAME, on a flat map and the inflated cortex or, without a mesh, by ROI.

For layers and r2, NAME may be a list or a glob, e.g. clip/mini,mae/mini or '*/mini', which gives small maps side by side.

\b
{kinds}

The records must have been made with --keep all, which is the default.
"""


@click.command(
    short_help="Paint a network onto the cortex.",
    help=_HELP.format(kinds="\n".join(f"{name:<12} {kind.about}" for name, kind in KINDS.items())),
)
@click.argument("kind", type=click.Choice(list(KINDS)))
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
    help="Folder with the records.",
)
@click.option("--against", metavar="NAME", help="layers, r2: the map of this backbone minus that of NAME.")
@click.option("--dataset", metavar="NAME", help="The dataset, if the records have more than one.")
@click.option(
    "--encoder", default="factortopy", show_default=True, metavar="NAME", help="The encoder whose fit is shown."
)
@click.option("--subject", metavar="NAME", help="One subject.  [default: all, averaged where they share a mesh]")
@click.option("--seed", default=0, show_default=True, help="The seed of the fit.")
@click.option(
    "--surface",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The mesh's own surfaces: a FreeSurfer subject, or nilearn's fsaverage.  [default: fsaverage5]",
)
def plot(
    kind: str,
    name: str,
    out: Path | None,
    results: Path,
    against: str | None,
    dataset: str | None,
    encoder: str,
    subject: str | None,
    seed: int,
    surface: Path | None,
) -> int:
    """Read, draw, write."""
    from functools import partial

    from brainbench import plot as drawing
    from brainbench.errors import UsageError
    from brainbench.plot.page import check_ending

    asked = KINDS[kind]
    ending = f"-{against.replace('/', '-')}" if against else ""
    names = drawing.chosen_names(results, name)
    whose = names[0].replace("/", "-") if len(names) == 1 else "side-by-side"
    path = out or Path(f"{kind}-{whose}{ending}.png")
    check_ending(path)
    chosen = partial(
        drawing.chosen_voxels, results, dataset=dataset, encoder=encoder, subject=subject, seed=seed, sheets=surface
    )
    if len(names) > 1:
        if asked.several is None or against is not None:
            able = ", ".join(other for other, one in KINDS.items() if one.several)
            raise UsageError(
                f"{name}: {len(names)} backbones; only these kinds can be drawn side by side, without --against: {able}"
            )
        figure = getattr(drawing, asked.several)([chosen(one) for one in names])
    elif against is None:
        figure = getattr(drawing, asked.draw)(chosen(names[0]))
    elif asked.against is None:
        able = ", ".join(other for other, one in KINDS.items() if one.against)
        raise UsageError(f"--against: {kind} has no difference map; choose {able}")
    else:
        figure = getattr(drawing, asked.against)(chosen(names[0]), chosen(against))
    drawing.save(figure, path)
    click.echo(f"wrote {path}")
    return 0
