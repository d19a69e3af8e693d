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
        Setting(
            "repeats",
            str,
            "trials",
            "one row a trial, or the average over the trials of an image",
            ("trials", "average"),
        ),
    ),
    libraries=("pillow",),
    needs_data=True,
    root=lazy("brainbench.builtin.datasets.folder.contents:root"),
    contents=lazy("brainbench.builtin.datasets.folder.contents:contents"),
    maker=lazy("brainbench.builtin.datasets.folder.maker:make"),
    maker_settings=(
        Setting("subjects", int, 2, "number of subjects; one is written at the top, several in subjects/", minimum=1),
        Setting("images", int, 200, "how many images, seen by all", minimum=3),
        Setting(
            "repeats",
            int,
            1,
            "times each image is shown, in an order that stimuli.csv gives if more than once",
            minimum=1,
        ),
        Setting("voxels", int, 300, "voxels a subject", minimum=1),
        Setting("size", int, 64, "pixels of an image's side", minimum=8),
        Setting("seed", int, 0, "seed of the images, what voxels read, and the noise", minimum=0),
    ),
)
