"""``python -m brainbench_sae``: the units of an ROI, layers by ROIs, layers on the cortex; autoencoders of a folder's images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from brainbench import BrainbenchError

_FILE = click.Path(path_type=Path)


def _record(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which fit, and how to find its data again."""
    for option in reversed(
        [
            click.argument("record", type=_FILE),
            click.option("--data", type=_FILE, metavar="PATH", help="Path of the dataset, as in `brainbench run`."),
            click.option(
                "--weights", multiple=True, metavar="NAME=FILE", help="A checkpoint of yours, as in `brainbench run`."
            ),
            click.option(
                "--device", default="auto", show_default=True, metavar="NAME", help="For tokens that are not cached."
            ),
        ]
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Show which learned features voxels read.

    RECORD is the JSON file of a fit of sae, sae/neuron or sae/untrained in a results folder.
    """


@cli.command()
@_record
@click.option("--roi", default="all", show_default=True, metavar="NAME", help="Whose units.")
@click.option("--count", default=8, show_default=True, help="How many units: those that most voxels read.")
@click.option("--images", default=8, show_default=True, help="How many images of each.")
@click.option("--out", type=_FILE, metavar="FILE", help="The picture, png, pdf or svg.  [default: units-ROI.png]")
def units(record: Path, roi: str, count: int, images: int, out: Path | None, **data: Any) -> None:
    """Show the units that an ROI's voxels read on the images that activate them most, bright where they are active."""
    from brainbench.plot import save
    from brainbench_sae.drawing import draw_units
    from brainbench_sae.fits import open_fit
    from brainbench_sae.units import units_of

    path = out or Path(f"units-{roi.replace('/', '-')}.png")
    fit = open_fit(record, **data)
    found = units_of(fit, roi, count, images)
    for unit in found:
        click.echo(f"{unit}; {', '.join(unit.images)}")
    save(draw_units(fit, found, roi), path)
    click.echo(f"wrote {path}")


@cli.command()
@_record
@click.option("--out", type=_FILE, metavar="FILE.csv", help="Write the tables there too, and a picture beside them.")
def layers(record: Path, out: Path | None, **data: Any) -> None:
    """Print which layers the voxels of each ROI read, and how many units of each layer are most similar to its voxels."""
    from brainbench import UsageError
    from brainbench.plot import save
    from brainbench_sae.drawing import draw_table
    from brainbench_sae.fits import open_fit
    from brainbench_sae.tables import layer_table

    if out is not None and out.suffix != ".csv":
        raise UsageError(f"--out {out}: the table ends in .csv; its picture is written to the same folder")
    fit = open_fit(record, **data)
    table = layer_table(fit.fitted.dictionary, fit.features.layers, fit.regions())
    click.echo(table.text())
    if out is not None:
        save(draw_table(fit, table), out.with_suffix(".png"))
        out.write_text(table.csv())
        click.echo(f"wrote {out}\nwrote {out.with_suffix('.png')}")


@cli.command("map")
@_record
@click.option("--out", type=_FILE, default="dictionary.png", show_default=True, metavar="FILE", help="png, pdf or svg.")
def cortex(record: Path, out: Path, **data: Any) -> None:
    """Paint the layer of each voxel's unit on the cortex, as bright as voxel and unit are alike on test images."""
    from brainbench.plot import save
    from brainbench_sae.drawing import draw_map
    from brainbench_sae.fits import open_fit

    save(draw_map(open_fit(record, **data)), out)
    click.echo(f"wrote {out}")


@cli.command()
@click.argument("backbone")
@click.option("--images", type=_FILE, required=True, metavar="DIR", help="A folder of images.")
@click.option(
    "--out", type=_FILE, required=True, metavar="DIR", help="Where the autoencoders go, a folder for each layer."
)
@click.option("--kind", default="tied", show_default=True, type=click.Choice(["tied", "topk", "batchtopk"]))
@click.option("--rate", default=16, show_default=True, help="Units per channel.")
@click.option("--k", default=32, show_default=True, help="Codes above 0 in a token, for topk and batchtopk.")
@click.option("--l1", default=8.6e-4, show_default=True, help="Weight of the sum of codes in the loss, for tied.")
@click.option("--lr", default=1e-3, show_default=True, help="Learning rate.")
@click.option("--batch", default=2048, show_default=True, help="Tokens in one step.")
@click.option("--steps", default=5000, show_default=True, help="Training steps of a layer's autoencoder.")
@click.option("--seed", default=0, show_default=True, help="Seed of the training.")
@click.option("--device", default="cpu", show_default=True, metavar="NAME", help="Where to train.")
def train(backbone: str, images: Path, out: Path, seed: int, device: str, **recipe: Any) -> None:
    """Train the autoencoders of BACKBONE's layers on a folder of images; `--set sae.weights=DIR` reads them."""
    from brainbench_sae.folders import train_on
    from brainbench_sae.training import Recipe

    train_on(backbone, images, out, Recipe(**recipe), seed=seed, device=device, say=click.echo)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. An error is one line, with exit code 2."""
    try:
        cli.main(
            None if arguments is None else [*arguments], prog_name="python -m brainbench_sae", standalone_mode=False
        )
    except click.ClickException as problem:
        click.echo(f"brainbench_sae: {problem.format_message()}", err=True)
        return 2
    except BrainbenchError as problem:
        click.echo(f"brainbench_sae: {' '.join(str(problem).split())}", err=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
