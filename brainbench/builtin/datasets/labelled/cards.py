"""The cards of labelled images: light, so that listing datasets reads none."""

from __future__ import annotations

from brainbench import DatasetCard, Setting, lazy

_HERE = "brainbench.builtin.datasets.labelled"
_SIZES = (
    Setting("images", int, 60, "images of a class", minimum=2),
    Setting("size", int, 64, "pixels of an image's side", minimum=8),
    Setting("seed", int, 0, "seed of the images", minimum=0),
)
_TASK = (
    Setting("images", int, 900, "how many images, of all classes together", minimum=60),
    Setting("seed", int, 0, "seed of the images", minimum=0),
)
_HAM = (
    "Philipp Tschandl and Cliff Rosendahl and Harald Kittler (2018). The HAM10000 dataset, a large collection of "
    "multi-source dermatoscopic images of common pigmented skin lesions. Scientific Data. arXiv:1803.10417"
)
_ISIC_2018 = (
    "Noel Codella and others (2019). Skin Lesion Analysis Toward Melanoma Detection 2018: A Challenge Hosted by the "
    "International Skin Imaging Collaboration (ISIC). arXiv:1902.03368"
)
_BCN = "Marc Combalia and others (2019). BCN20000: Dermoscopic Lesions in the Wild. Scientific Data (2024). arXiv:1908.02288"

EUROSAT = DatasetCard(
    name="eurosat",
    loader=lazy(f"{_HERE}.dataset:load_eurosat"),
    summary="labelled satellite pictures, ten classes of land use (EuroSAT RGB, as torchvision unpacks it); for tune",
    libraries=("pillow",),
    needs_data=True,
    licence="MIT",
    citation="Patrick Helber and Benjamin Bischke and Andreas Dengel and Damian Borth (2019). EuroSAT: A Novel Dataset and Deep "
    "Learning Benchmark for Land Use and Land Cover Classification. IEEE JSTARS. arXiv:1709.00029",
    root=lazy(f"{_HERE}.contents:root_eurosat"),
    contents=lazy(f"{_HERE}.contents:of_eurosat"),
    maker=lazy(f"{_HERE}.makers:make_eurosat"),
    maker_settings=_SIZES,
)

ISIC_2018 = DatasetCard(
    name="isic2018",
    loader=lazy(f"{_HERE}.dataset:load_isic2018"),
    summary="labelled photographs of skin lesions, seven diagnoses (ISIC 2018 task 3, HAM10000); for tune",
    libraries=("pillow",),
    needs_data=True,
    licence="CC BY-NC 4.0",
    citation=f"{_ISIC_2018}\n{_HAM}",
    root=lazy(f"{_HERE}.contents:root_isic2018"),
    contents=lazy(f"{_HERE}.contents:of_isic2018"),
    maker=lazy(f"{_HERE}.makers:make_isic2018"),
    maker_settings=_SIZES,
)

ISIC_2019 = DatasetCard(
    name="isic2019",
    loader=lazy(f"{_HERE}.dataset:load_isic2019"),
    summary="labelled photographs of skin lesions, eight diagnoses (ISIC 2019); for tune",
    libraries=("pillow",),
    needs_data=True,
    licence="CC BY-NC 4.0",
    citation=f"{_HAM}\n{_ISIC_2018}\n{_BCN}",
    root=lazy(f"{_HERE}.contents:root_isic2019"),
    contents=lazy(f"{_HERE}.contents:of_isic2019"),
    maker=lazy(f"{_HERE}.makers:make_isic2019"),
    maker_settings=_SIZES,
)

MEDMNIST = DatasetCard(
    name="medmnist",
    loader=lazy(f"{_HERE}.dataset:load_medmnist"),
    summary="labelled medical pictures in one npz file, such as dermamnist_224.npz (MedMNIST v2); for tune",
    needs_data=True,
    citation="Jiancheng Yang and others (2023). MedMNIST v2: A large-scale lightweight benchmark for 2D and 3D biomedical image "
    "classification. Scientific Data. arXiv:2110.14795",
    root=lazy(f"{_HERE}.contents:root_medmnist"),
    contents=lazy(f"{_HERE}.contents:of_medmnist"),
    maker=lazy(f"{_HERE}.makers:make_medmnist"),
    maker_settings=_SIZES,
)

LABELS = DatasetCard(
    name="labels",
    loader=lazy(f"{_HERE}.dataset:load_labels"),
    summary="your own labelled images: <class>/<image>, or labels.csv (image, label, and perhaps group, split); for tune",
    libraries=("pillow",),
    needs_data=True,
    root=lazy(f"{_HERE}.contents:root_labels"),
    contents=lazy(f"{_HERE}.contents:of_labels"),
    maker=lazy(f"{_HERE}.makers:make_labels"),
    maker_settings=_SIZES,
)

PLACE = DatasetCard(
    name="place",
    loader=lazy(f"{_HERE}.generated:load_place"),
    summary="a generated task of a high level: which of six places a scene of the demo shows; for tune",
    settings=_TASK,
    simulated=True,
    licence="MIT",
)

TEXTURE = DatasetCard(
    name="texture",
    loader=lazy(f"{_HERE}.generated:load_texture"),
    summary="a generated task of a low level: which of six textures fills an object of the demo; for tune",
    settings=_TASK,
    simulated=True,
    licence="MIT",
)

# What the built-in plugin registers.
LABELLED = [EUROSAT, ISIC_2018, ISIC_2019, MEDMNIST, LABELS, PLACE, TEXTURE]
