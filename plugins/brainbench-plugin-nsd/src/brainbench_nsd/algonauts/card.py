"""The card of ``algonauts2023``: light, so that listing datasets reads no file."""

from __future__ import annotations

from brainbench import DatasetCard, Setting, lazy
from brainbench_nsd.algonauts.layout import root

ALGONAUTS2023 = DatasetCard(
    name="algonauts2023",
    loader=lazy("brainbench_nsd.algonauts.dataset:load"),
    summary="the Algonauts 2023 release of NSD: 8 subjects, up to 9,841 images and 39,548 vertices each",
    settings=(
        Setting(
            "surface", str, "", "fsaverage of 163,842 vertices a side: a FreeSurfer or GIFTI folder; empty: looked for"
        ),
        Setting("shape", str, "inflated", "surface that coordinates are taken from", ("inflated", "sphere")),
        Setting("split_seed", int, 0, "seed of the train/val/test split by NSD image", minimum=0),
        Setting("test_split", bool, False, "also predict the challenge's test images, whose responses are withheld"),
    ),
    libraries=("pillow",),
    needs_data=True,
    root=root,
    contents=lazy("brainbench_nsd.algonauts.contents:contents"),
    maker=lazy("brainbench_nsd.algonauts.maker:make"),
    maker_settings=(
        Setting("subjects", int, 1, "how many subjects", minimum=1),
        Setting("images", int, 60, "images with responses, a subject; the release has up to 9841", minimum=30),
        Setting("test_images", int, 5, "images without responses, a subject", minimum=1),
        Setting("left", int, 190, "vertices of the left side; subject 1 of the release has 19004", minimum=10),
        Setting("right", int, 205, "vertices of the right side; subject 1 of the release has 20544", minimum=10),
        Setting("size", int, 64, "pixels of an image's side; the release has 425", minimum=8),
        Setting("surface", bool, True, "write a synthetic fsaverage too"),
        Setting("seed", int, 0, "seed of everything", minimum=0),
    ),
    licence="NSD Terms and Conditions",
    citation=(
        "Alessandro T. Gifford and others (2023). The Algonauts Project 2023 Challenge: How the Human Brain Makes Sense of "
        "Natural Scenes. arXiv:2301.03198\n"
        "Emily J. Allen and others (2022). A massive 7T fMRI dataset to bridge cognitive neuroscience and artificial "
        "intelligence. Nature Neuroscience 25, 116-126"
    ),
)
