"""Autoencoders of a backbone trained on a folder of images, instead of a dataset's train images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from brainbench import DataError, FitContext, Stimuli, StoreError, features, file_sha256
from brainbench.datasets import list_images, open_rgb
from brainbench_sae import saelens
from brainbench_sae.tokens import held
from brainbench_sae.training import Recipe, folder_name, trained


def images_of(folder: Path) -> Stimuli:
    """Return the images of a folder, by name. Raises DataError for one without any."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give one that contains images")
    paths = [folder / name for name in list_images(folder)]
    return Stimuli(tuple(path.name for path in paths), tuple(map(file_sha256, paths)), lambda row: open_rgb(paths[row]))


def train_on(
    backbone: str, images: Path, out: Path, recipe: Recipe, *, seed: int, device: str, say: Callable[[str], None]
) -> list[Path]:
    """Train the autoencoders of all layers on the tokens of these images and write them to ``out``, one folder a layer.

    ``--set sae.weights=OUT`` reads them. A layer that is there already is trained again.
    """
    stimuli = images_of(images)
    tokens = features(backbone, stimuli, grid="native", device=device)
    rows, written = np.arange(len(stimuli)), []
    context = FitContext(seed, device)
    for layer, name in enumerate(tokens.layers):
        made = trained(partial(held, tokens, layer, rows, device), tokens, layer, rows, recipe, context)
        place = out / folder_name(name)
        try:
            saelens.write(made, place, {"hook_name": name, "model_name": backbone, "seed": seed})
        except OSError as error:
            raise StoreError(f"cannot write {place} ({error.strerror}): choose another folder with --out") from error
        written.append(place)
        say(f"wrote {place}")
    return written
