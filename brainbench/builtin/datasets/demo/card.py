"""The facts about the demo dataset; light to import."""

from __future__ import annotations

from brainbench import DatasetCard, Setting, lazy

DEMO = DatasetCard(
    name="demo",
    loader=lazy("brainbench.builtin.datasets.demo.dataset:load"),
    summary="generated scenes and simulated subjects on the fsaverage5 cortex; nothing to download",
    settings=(
        Setting("images", int, 1600, "how many scenes, 80/10/10 % train/val/test", minimum=100),
        Setting("subjects", int, 3, "how many simulated subjects", minimum=1),
        Setting("seed", int, 0, "seed of the scenes, the subjects and the split", minimum=0),
    ),
    version="2",
    default=True,
    simulated=True,
    licence="MIT",
)
