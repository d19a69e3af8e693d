"""The card of ``nsd``: light, so that listing datasets reads no file."""

from __future__ import annotations

from brainbench import DatasetCard, Setting, lazy
from brainbench_nsd.nsd.layout import SPACES, find_root

NSD = DatasetCard(
    name="nsd",
    loader=lazy("brainbench_nsd.nsd.dataset:load"),
    summary="the Natural Scenes Dataset: 8 subjects, up to 30,000 trials of 10,000 images, on fsaverage or in the 1.8 mm volume",
    settings=(
        Setting("space", str, "fsaverage", "fsaverage: surface; func1pt8mm: volume", SPACES),
        Setting(
            "betas", str, "betas_fithrf_GLMdenoise_RR", "preparation of the betas: a folder's name (the default is b3)"
        ),
        Setting(
            "repeats", str, "trials", "one row a trial, or the average of an image's trials", ("trials", "average")
        ),
        Setting("split", str, "image", "8:1:1 by image, or test = the shared 1,000", ("image", "shared1000")),
        Setting("zscore", bool, True, "z-score in every session and voxel"),
        Setting("sessions", str, "", "sessions to use, e.g. 1-37 or 1,2,4; empty: all there"),
        Setting(
            "surface", str, "", "fsaverage to take coordinates from: a FreeSurfer or GIFTI folder; empty: looked for"
        ),
        Setting("shape", str, "inflated", "surface that coordinates are taken from", ("inflated", "sphere")),
        Setting("split_seed", int, 0, "seed of the train/val/test split by image", minimum=0),
    ),
    libraries=("h5py", "nibabel"),
    needs_data=True,
    licence="NSD Terms and Conditions",
    citation=(
        "Emily J. Allen and others (2022). A massive 7T fMRI dataset to bridge cognitive neuroscience and artificial "
        "intelligence. Nature Neuroscience 25, 116-126"
    ),
    root=find_root,
    contents=lazy("brainbench_nsd.nsd.contents:contents"),
    maker=lazy("brainbench_nsd.nsd.maker:make"),
    maker_settings=(
        Setting("subjects", int, 1, "how many subjects", minimum=1),
        Setting("sessions", int, 3, "sessions a subject", minimum=1),
        Setting("trials", int, 50, "trials a session (NSD: 750)", minimum=1),
        Setting("images", int, 60, "images a subject, each shown up to three times (NSD: 10,000)", minimum=10),
        Setting(
            "vertices_kept", int, 100, "vertices of nsdgeneral a side (NSD: 18,992); twice as many voxels", minimum=7
        ),
        Setting("space", str, "fsaverage", "fsaverage: surface; func1pt8mm: volume", SPACES),
        Setting("volume", str, "hdf5", "files of the volume", ("hdf5", "nii.gz")),
        Setting("size", int, 32, "pixels a side of an image (NSD: 425)", minimum=8),
        Setting("order", int, 4, "mesh of 10 * 4^order + 2 vertices a side; 7: 163,842, as fsaverage has", minimum=2),
        Setting("seed", int, 0, "seed of everything", minimum=0),
    ),
)
