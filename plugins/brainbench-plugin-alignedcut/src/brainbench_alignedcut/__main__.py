"""``python -m brainbench_alignedcut``: an embedding of tokens, its concepts, the channels of ROIs: data and pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from brainbench import BrainbenchError

_FILE = click.Path(path_type=Path)


def _fit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which fit, as `brainbench plot` asks for it."""
    for option in reversed(
        [
            click.argument("name"),
            click.option(
                "--results",
                default="results",
                show_default=True,
                type=_FILE,
                metavar="DIR",
                help="Where the records lie.",
            ),
            click.option("--dataset", metavar="NAME", help="The dataset, if the records have more than one."),
            click.option("--data", type=_FILE, metavar="PATH", help="Path of the dataset, as in `brainbench run`."),
            click.option(
                "--encoder", default="alignedcut", show_default=True, metavar="NAME", help="Which encoder's fit."
            ),
            click.option("--subject", metavar="NAME", help="Which subject, if there are several."),
            click.option("--seed", default=0, show_default=True, help="Which seed's fit."),
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


def _out(default: str) -> Callable[..., Any]:
    return click.option("--out", type=_FILE, metavar="FILE.npz", help=f"The data file.  [default: {default}]")


_images = click.option(
    "--images", "count", default=48, show_default=True, help="How many images, spread over all the subject saw."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Show what one channel space reveals of images: an embedding of tokens, the concepts in it, the channels of ROIs.

    Each command writes a data file, FILE.npz, and its pictures to the same folder. NAME is a backbone as in `brainbench run
    --backbones`, including joint ones (clip/mini+mae/mini); its fit is looked up in the records.
    """


@cli.command()
@_fit_options
@_images
@click.option("--vectors", default=20, show_default=True, help="Eigenvectors.")
@click.option(
    "--sample", default=5000, show_default=True, help="Tokens that are solved; the others follow their neighbours."
)
@_out("embedding-NAME.npz")
def embed(name: str, count: int, vectors: int, sample: int, out: Path | None, **fit: Any) -> None:
    """Embed the aligned tokens of images, all layers together, and colour them.

    Writes FILE.npz, FILE.png (tokens in colour) and FILE-trajectories.png.
    """
    from brainbench.plot import save
    from brainbench_alignedcut.drawing import draw_embedding, draw_trajectories
    from brainbench_alignedcut.fits import find
    from brainbench_alignedcut.gathering import chosen_rows, gather

    path = _path(out, Path(f"embedding-{name.replace('/', '-')}.npz"))
    found = find(backbone=name, **fit)
    made = gather(found, chosen_rows(found.stimuli, count), count=vectors, sample=sample, seed=fit["seed"])
    made.save(path)
    save(draw_embedding(made), path.with_suffix(".png"))
    save(draw_trajectories(made), path.with_name(f"{path.stem}-trajectories.png"))
    _wrote(path, "", "-trajectories")


@cli.command()
@click.argument("embedding", type=_FILE)
@click.option(
    "--layer", metavar="NAME", help="Whose concepts are drawn, BACKBONE:LAYER of several.  [default: the last]"
)
@click.option("--count", default=5, show_default=True, help="Concepts in a layer.")
@click.option(
    "--space",
    default="colours",
    show_default=True,
    type=click.Choice(["colours", "plane", "vectors"]),
    help="Where distances are taken: 3-D t-SNE, 2-D t-SNE or the eigenvectors.",
)
@_out("concepts-NAME.npz beside EMBEDDING")
def concepts(embedding: Path, layer: str | None, count: int, space: Any, out: Path | None) -> None:
    """Find the visual concepts in EMBEDDING, a file that `embed` wrote, and how tokens move between them from layer to layer.

    Writes FILE.npz, FILE.png (activation of the concepts), FILE-grounds.png (of figure and ground, with masks) and
    FILE-transitions.png (from the layer before).
    """
    from brainbench.plot import save
    from brainbench_alignedcut import drawing
    from brainbench_alignedcut.discovery import discover
    from brainbench_alignedcut.embedding import Embedding

    opened = Embedding.load(embedding)
    number = opened.layer(layer)
    path = _path(out, embedding.with_name(f"concepts-{embedding.stem.removeprefix('embedding-')}.npz"))
    made = discover(opened, count, space)
    made.save(path)
    save(drawing.draw_concepts(made, number), path.with_suffix(".png"))
    drawn = [""]
    if made.grounds:
        drawn.append("-grounds")
        save(drawing.draw_grounds(made), path.with_name(f"{path.stem}-grounds.png"))
    for pair in [pair for pair, (_, after) in enumerate(made.pairs) if after == number]:
        drawn.append("-transitions")
        save(drawing.draw_transitions(made, pair), path.with_name(f"{path.stem}-transitions.png"))
    _wrote(path, *drawn)


@cli.command()
@_fit_options
@_images
@click.option(
    "--pictures", type=_FILE, metavar="DIR", help="A folder of other images to look at, instead of the subject's."
)
@_out("channels-NAME.npz")
def channels(name: str, count: int, pictures: Path | None, out: Path | None, **fit: Any) -> None:
    """Show the top three channels of every ROI on images, and cluster voxels by channels.

    Writes FILE.npz and FILE.png. Works for any encoder with a channel align and a channel selector: --encoder factortopy.
    """
    from brainbench.plot import save
    from brainbench_alignedcut.drawing import draw_channels
    from brainbench_alignedcut.fits import find
    from brainbench_alignedcut.gathering import chosen_rows, from_folder
    from brainbench_alignedcut.views import view

    path = _path(out, Path(f"channels-{name.replace('/', '-')}.npz"))
    others = from_folder(pictures) if pictures else None
    found = find(backbone=name, **fit)
    made = view(found, chosen_rows(others or found.stimuli, count), others)
    made.save(path)
    save(draw_channels(made), path.with_suffix(".png"))
    _wrote(path, "")


def _path(out: Path | None, default: Path) -> Path:
    from brainbench import UsageError

    if out is not None and out.suffix != ".npz":
        raise UsageError(f"--out {out}: the data file ends in .npz; its pictures are written to the same folder")
    return out or default


def _wrote(path: Path, *pictures: str) -> None:
    for one in (path, *(path.with_name(f"{path.stem}{ending}.png") for ending in pictures)):
        click.echo(f"wrote {one}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. An error is one line, with exit code 2."""
    try:
        cli.main(
            None if arguments is None else [*arguments],
            prog_name="python -m brainbench_alignedcut",
            standalone_mode=False,
        )
    except click.ClickException as problem:
        click.echo(f"brainbench_alignedcut: {problem.format_message()}", err=True)
        return 2
    except BrainbenchError as problem:
        click.echo(f"brainbench_alignedcut: {' '.join(str(problem).split())}", err=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
