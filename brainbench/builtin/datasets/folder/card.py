"""The card of ``folder``: light, so that listing datasets reads no image."""

from __future__ import annotations

from brainbench import DatasetCard, Setting, lazy

FOLDER = DatasetCard(
    name="folder",
    loader=lazy("brainbench.builtin.datasets.folder.dataset:load"),
    summary="your own experiment: a folder of images and, as far as there are any, responses, coordinates, ROIs, masks",
    settings=(
        Setting("split_seed", int, 0, "seed of the train/val/test split where splits.csv does not give one", minimum=0),
        Setting("zscore", str, "none", "session: mean 0 and sd 1 in every session and voxel", ("none", "session")),
        Setting("repeats", str, "trials", "one row a trial, or the average over the trials of an image",
                ("trials", "average")),
    ),  # fmt: skip
    libraries=("pillow",),
    needs_data=True,
)
