"""The cards of datasets that need no form. Light: what reads the files is in the other modules."""

from __future__ import annotations

from brainbench import DatasetCard, RemoteFile, hookimpl, lazy

_COWLEY = "https://raw.githubusercontent.com/cowleygroup/V4_compact_models"
# Commits in which the authors added the files: an address with a commit always gives the same content.
_IMAGES = {
    "190923": "f6cbd03109489bef1bbbb5aaeef4f74d22d0dd7b",
    "201025": "af82f72c64315676b33fd5d416e06efdbd4028de",
    "210224": "af82f72c64315676b33fd5d416e06efdbd4028de",
}
_RESPONSES = "d1b3526933e6bad537140a53b54abe797588f23b"
_RSATOOLBOX = "https://raw.githubusercontent.com/rsagroup/rsatoolbox"


def _images(session: str, sha256: str, size: int) -> RemoteFile:
    path = f"images_{session}.zip"
    return RemoteFile(path, f"{_COWLEY}/{_IMAGES[session]}/data_V4_responses/images/{path}", sha256, size)


def _responses(session: str, sha256: str, size: int) -> RemoteFile:
    path = f"responses_{session}.npy"
    place = f"{_COWLEY}/{_RESPONSES}/data_V4_responses/responses_repeat_averaged/{path}"
    return RemoteFile(path, place, sha256, size)


COWLEY_V4 = DatasetCard(
    name="cowley-v4",
    loader=lazy("brainbench_open.cowley_v4:load"),
    summary="macaque V4: 189 neurons of three sessions, 3,200 photographs; `brainbench data fetch cowley-v4`",
    takes_data=True,
    licence="GPL-3.0, that of the authors' repository; none is stated for the photographs",
    citation="Benjamin R. Cowley and Patricia L. Stan and Jonathan W. Pillow and Matthew A. Smith (2023). Compact deep neural "
    "network models of visual cortex. bioRxiv",
    downloads=(
        _images("190923", "e99a4df1c7476bdc4d565ff4408bc421976ecc3a22c41af6bfd0cfbddb508c0c", 4_024_034),
        _responses("190923", "741672d36541ce39930c8a3b5bd1cfd33c187aa47b1549c9c5569bc21aa97a28", 316_928),
        _images("201025", "3abb63679107665eab7220bdeaf7863832a1df943bf3d7792501f5082a55b2e8", 4_131_376),
        _responses("201025", "f729f3dc0d29aa38bd380c0da9e39aba916f9e2580949929b65d1714e7217a8a", 854_528),
        _images("210224", "e2690810bee34c2e2821e5dd504c7970f3441579bc57659f27d2c11678b52c6b", 2_782_116),
        _responses("210224", "4dbb7367707a5ca47ab4cea863bbf4e9765b8409cb30216693721bddfad7abfe", 428_928),
    ),
)

OBJECTS92 = DatasetCard(
    name="objects92",
    loader=lazy("brainbench_open.objects92:load"),
    summary="human IT: dissimilarities of 92 objects in four subjects, with figure and ground; for `rsa` and `miou`",
    takes_data=True,
    licence="MIT, that of the repository of rsatoolbox",
    libraries=("scipy",),
    citation="Nikolaus Kriegeskorte and others (2008). Matching Categorical Object Representations in Inferior Temporal Cortex "
    "of Man and Monkey. Neuron",
    downloads=(
        RemoteFile(
            "92_brainRDMs.mat",
            f"{_RSATOOLBOX}/a019e37ee631456aa99425efb33cb4e26e9ea181/demos/92imageData/92_brainRDMs.mat",
            "1743f90a15e895798a94318649e80e1123a7e5943a1703fa1dd7c31ea5780b7c",
            224_663,
        ),
        RemoteFile(
            "Kriegeskorte_Neuron2008_supplementalData.mat",
            f"{_RSATOOLBOX}/9ac4b5cdcb702c02481cabba33c551d187d50b6c/demos/92imageData/"
            "Kriegeskorte_Neuron2008_supplementalData.mat",
            "06f21214399a5d43dc264eed19a7f4b8daf11c8622a59eec3e106064ce5e3504",
            3_603_779,
        ),
    ),
)


@hookimpl
def register_datasets() -> list[DatasetCard]:
    """Macaque V4, and 92 objects in human IT."""
    return [COWLEY_V4, OBJECTS92]
