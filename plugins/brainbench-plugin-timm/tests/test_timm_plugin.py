from __future__ import annotations

import pytest
from brainbench_timm import plugin
from brainbench_timm.names import card

from brainbench import UsageError

pytestmark = pytest.mark.slow


def test_the_hook_gives_one_pattern() -> None:
    (pattern,) = plugin.register_backbones()
    assert (pattern.name, pattern.pattern, pattern.family) == ("timm/<name>", "timm/*", "timm")
    assert not any((pattern.default, pattern.mini))


def test_the_pattern_expands_to_a_card() -> None:
    expand = plugin.CARD.expand
    assert expand is not None
    made = expand(name="timm/vit_tiny_patch16_224")
    assert (made.name, made.pattern, made.layers, made.width, made.patch) == (
        "timm/vit_tiny_patch16_224",
        "",
        12,
        192,
        16,
    )
    assert (made.weights, made.source) == (
        "augreg_in21k_ft_in1k",
        "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    )
    assert made.files == ("model.safetensors", "pytorch_model.bin")
    assert made.licence == "apache-2.0"
    assert made.taps == ("block", "attention")


def test_a_tag_of_the_weights_may_be_named() -> None:
    assert card(name="timm/resnet18.tv_in1k").source == "timm/resnet18.tv_in1k"


def test_a_network_without_weights_is_untrained() -> None:
    made = card(name="timm/mixer_s32_224")
    assert (made.weights, made.source, made.released) == ("untrained", None, False)


def test_weights_that_lie_behind_a_url() -> None:
    made = card(name="timm/gcvit_xxtiny")
    assert (made.source or "").startswith("https://")
    assert not made.files
    assert made.released


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet19", r"timm/resnet19: timm .* has no network 'resnet19' \(did you mean 'resnet18'\?\)"),
        ("resnet18.tv_in2k", r"has no weights 'tv_in2k' of resnet18 \(did you mean 'tv_\w+'\?\); allowed are \w+"),
        ("mixer_s32_224.x", r"no weights 'x' of mixer_s32_224; it has none, write timm/mixer_s32_224"),
        ("hf_hub:me/mine", r"has no network 'hf_hub:me/mine'"),
        (
            "vit_base_patch16_clip_224.openai",
            r"trained with QuickGELU.*ask for timm/vit_base_patch16_clip_quickgelu_224",
        ),
    ],
)
def test_names_that_cannot_be(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        card(name=f"timm/{name}")


def test_the_network_that_has_quickgelu_is_taken() -> None:
    assert card(name="timm/vit_base_patch16_clip_quickgelu_224.openai").normalisation != "ImageNet"
