"""``brainbench predict``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Predict the responses of a fitted brain to any images.")
@click.argument("record", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="npy (numbers alone), csv or parquet."
)
@click.option("--rois", is_flag=True, help="Write the mean of each ROI instead of every voxel.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where the fit's dataset lies, for encoders that read its images again (ridge).",
)
@click.option("--weights", multiple=True, metavar="NAME=FILE", help="The checkpoint that the fit's backbone ran with.")
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu or cuda.")
def predict(
    record: Path,
    images: tuple[Path, ...],
    out: Path,
    rois: bool,
    data: Path | None,
    weights: tuple[str, ...],
    device: str,
) -> int:
    """Predict what the brain of RECORD would answer to IMAGES, and write one row an image.

    RECORD is the JSON file of a fit in a results folder, kept with --keep all, as it is unless you said otherwise. IMAGES is a
    folder of png and jpeg files, read in the order of their names, or files.
    """
    from brainbench.api.predict import predict as predicted
    from brainbench.cli import progress
    from brainbench.commands.predict import check_ending, write_table

    check_ending(out)
    with progress.reporter() as report:
        table = predicted(record, images, rois=rois, data=data, weights=weights, device=device, report=report)
    write_table(table, out)
    click.echo(f"wrote {out}: {len(table)} images x {table.shape[1]} {'ROIs' if rois else 'voxels'}")
    return 0
