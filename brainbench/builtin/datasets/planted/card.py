"""The facts about the planted dataset; light to import."""

from __future__ import annotations

from brainbench import DatasetCard, Setting, lazy

PLANTED = DatasetCard(
    name="planted",
    loader=lazy("brainbench.builtin.datasets.planted.dataset:load"),
    summary="responses made from a backbone's tokens (--data NAME, default random) through known selectors",
    settings=(
        Setting("images", int, 1250, "how many scenes, 80/10/10 % train/val/test", minimum=100),
        Setting("voxels", int, 2000, "voxels on the posterior cortex; 0: all, about 2,200", minimum=0),
        Setting(
            "ceiling", float, 0.4, "noise ceiling, the mean over voxels; they spread by 0.1 around it", minimum=0.1
        ),
        Setting("flat", bool, False, "the control without a hierarchy: all voxels read the middle layers"),
        Setting(
            "align",
            str,
            "own",
            "channels that voxels read; own: other directions in every layer; shared: the same, which neighbours may share",
            ("own", "shared"),
        ),
        Setting("seed", int, 0, "seed of the scenes, the selectors and the noise", minimum=0),
    ),
    version="2",
    simulated=True,
    takes_data=True,
    licence="MIT",
)
