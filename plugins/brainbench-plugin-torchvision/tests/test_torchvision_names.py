from __future__ import annotations

import re
from typing import Any

import pytest
import torchvision
from brainbench_torchvision import plugin
from brainbench_torchvision.names import card
from torchvision.models import get_model_weights, list_models

from brainbench import UsageError

pytestmark = pytest.mark.slow


def test_the_hook_gives_one_pattern() -> None:
    (pattern,) = plugin.register_backbones()
    assert (pattern.name, pattern.pattern, pattern.family) == ("torchvision/<name>", "torchvision/*", "torchvision")
    assert not any((pattern.default, pattern.mini))


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("alexnet", (5, 384, None, 224, ("block",))),
        ("vgg16", (13, 512, None, 224, ("block",))),
        ("resnet50.IMAGENET1K_V1", (16, 2048, None, 224, ("block",))),
        ("convnext_tiny", (18, 768, None, 224, ("block",))),
        ("efficientnet_b0", (16, 320, None, 224, ("block",))),
        ("swin_t", (12, 768, None, 224, ("block",))),
        ("vit_b_16.IMAGENET1K_SWAG_E2E_V1", (12, 768, 16, 384, ("block", "attention"))),
        ("vit_b_16.IMAGENET1K_SWAG_LINEAR_V1", (12, 768, 16, 224, ("block", "attention"))),
    ],
)
def test_a_name_becomes_a_card(name: str, facts: tuple[Any, ...]) -> None:
    made = card(name=f"torchvision/{name}")
    assert (made.layers, made.width, made.patch, made.input_size, made.taps) == facts
    assert (made.name, made.pattern, made.released) == (f"torchvision/{name}", "", True)


def test_the_card_says_what_torchvision_says_of_the_weights() -> None:
    release = get_model_weights("resnet50")["IMAGENET1K_V1"]
    made = card(name="torchvision/resnet50.IMAGENET1K_V1")
    assert (made.weights, made.source) == ("IMAGENET1K_V1", release.url)
    assert made.sha256 is not None
    assert f"-{made.sha256}." in release.url
    # The file, of float32, has the classifier too, which is not built.
    assert made.download_mb == pytest.approx(release.meta["num_params"] * 4e-6, rel=0.01)
    assert made.parameters == release.meta["num_params"] - 2048 * 1000 - 1000
    assert made.normalisation == "ImageNet"


def test_the_default_weights_are_torchvision_s() -> None:
    assert card(name="torchvision/resnet50").weights == get_model_weights("resnet50").DEFAULT.name


def test_statistics_and_licences_of_their_own() -> None:
    assert card(name="torchvision/vgg16.IMAGENET1K_FEATURES").normalisation == "its own"
    assert "SWAG" in (card(name="torchvision/vit_b_16.IMAGENET1K_SWAG_E2E_V1").licence or "")
    assert "none stated" in (card(name="torchvision/vit_b_16").licence or "")


def test_every_release_has_a_hash_in_its_name() -> None:
    for architecture in list_models(module=torchvision.models):
        for release in get_model_weights(architecture):
            assert re.search(r"-[0-9a-f]{8,}\.pth$", release.url), release.url


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet19", r"torchvision/resnet19: torchvision .* has no classifier 'resnet19' \(did you mean 'resnet1"),
        ("fasterrcnn_resnet50_fpn", r"has no classifier 'fasterrcnn_resnet50_fpn'.*; torchvision\.models\.list_models"),
        (
            "resnet50.IMAGENET1K_V3",
            r"has no weights 'IMAGENET1K_V3' of resnet50 \(did you mean '\w+'\?\); allowed are IMAGENET1K_V1, \w+",
        ),
        (
            "googlenet",
            r"torchvision/googlenet: the layers of torchvision's GoogLeNet are not known here; choose a network of"
            r" AlexNet, .*, or one of timm: timm/googlenet",
        ),
    ],
)
def test_names_that_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        card(name=f"torchvision/{name}")
    assert "\n" not in str(caught.value)
