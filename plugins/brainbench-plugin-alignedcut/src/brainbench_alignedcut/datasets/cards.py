"""The cards of the datasets: light, so that listing them reads no file."""

from __future__ import annotations

from brainbench import DatasetCard, Setting, lazy
from brainbench_alignedcut.datasets.places import imagenet_root, voc_root

_SEED = Setting("seed", int, 0, "seed of everything", minimum=0)
_FIRST = Setting("images", int, 0, "number of images from the start of the list, 0: all", minimum=0)

VOC2012 = DatasetCard(
    name="voc2012",
    loader=lazy("brainbench_alignedcut.datasets.voc:load"),
    summary="PASCAL VOC 2012 segmentation: 1,449 (val) or 1,464 (train) photographs with masks of 20 classes and background",
    settings=(Setting("split", str, "val", "which list of images", ("val", "train", "trainval")), _FIRST),
    libraries=("pillow",),
    needs_data=True,
    root=voc_root,
    contents=lazy("brainbench_alignedcut.datasets.voc:contents"),
    maker=lazy("brainbench_alignedcut.datasets.voc_maker:make"),
    maker_settings=(
        Setting("images", int, 24, "images of val; the release has 1449", minimum=1),
        Setting("train_images", int, 12, "images of train; the release has 1464", minimum=1),
        Setting("width", int, 100, "pixels of an image's width; most of the release have 500", minimum=16),
        Setting("height", int, 75, "pixels of an image's height; most of the release have 375", minimum=16),
        _SEED,
    ),
    licence="flickr terms of use (photographs)",
    citation=(
        "Mark Everingham and Luc Van Gool and Christopher K. I. Williams and John Winn and Andrew Zisserman (2010). The PASCAL "
        "Visual Object Classes (VOC) Challenge. International Journal of Computer Vision 88(2), 303-338"
    ),
)
IMAGENET_SEGMENTATION = DatasetCard(
    name="imagenet-segmentation",
    loader=lazy("brainbench_alignedcut.datasets.imagenet:load"),
    summary="ImageNet-Segmentation: 4,276 photographs with masks of figure and ground",
    settings=(_FIRST,),
    libraries=("pillow", "h5py"),
    needs_data=True,
    root=imagenet_root,
    contents=lazy("brainbench_alignedcut.datasets.imagenet:contents"),
    maker=lazy("brainbench_alignedcut.datasets.imagenet_maker:make"),
    maker_settings=(
        Setting("images", int, 24, "how many images; the release has 4276", minimum=1),
        Setting("width", int, 100, "pixels of an image's width; many of the release have 500", minimum=16),
        Setting("height", int, 75, "pixels of an image's height; many of the release have 375", minimum=16),
        _SEED,
    ),
    licence="ImageNet terms of access (non-commercial research)",
    citation=(
        "Matthieu Guillaumin and Daniel Kuettel and Vittorio Ferrari (2014). ImageNet Auto-Annotation with Segmentation "
        "Propagation. International Journal of Computer Vision 110(3), 328-348"
    ),
)
