from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brainbench_torchvision.names import card as expand
from PIL import Image
from torch import Tensor
from torchvision.models import get_model, get_model_weights
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms.functional import normalize, pil_to_tensor

from brainbench import BackboneCard, Weights, WeightsError, seeded

pytestmark = pytest.mark.slow

SMALL = "mobilenet_v3_small"


@cache
def card(name: str = SMALL) -> BackboneCard:
    return expand(name=f"torchvision/{name}")


def load(name: str = SMALL, path: Path | None = None, **settings: Any) -> Any:
    made = card(name)
    weights = Weights("file", path) if path else Weights("untrained")
    return made.loader(weights=weights, settings=made.resolve_settings(settings))


def released(name: str, **more: Any) -> Any:
    """Torchvision's own network, every parameter and statistic drawn."""
    with seeded(3):
        network = get_model(name, **more).eval().requires_grad_(False)
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return network


def images(count: int, size: int = 224) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


# What torchvision's own feature extractor calls the ends of the blocks.
NODES = {
    "alexnet": [f"features.{i}" for i in (1, 4, 7, 9, 11)],
    "vgg11_bn": [f"features.{i}" for i in (2, 6, 10, 13, 17, 20, 24, 27)],
    "resnet18": [f"layer{stage}.{block}.relu_1" for stage in (1, 2, 3, 4) for block in (0, 1)],
    "convnext_tiny": [f"features.{i}.{j}.add" for i, n in ((1, 3), (3, 3), (5, 9), (7, 3)) for j in range(n)],
    SMALL: [f"features.{i}" for i in range(1, 12)],
    "swin_t": [f"features.{i}.{j}.add_1" for i, n in ((1, 2), (3, 2), (5, 6), (7, 2)) for j in range(n)],
}


@pytest.mark.parametrize(
    "name",
    [SMALL, "resnet18", *(pytest.param(n, marks=pytest.mark.slow) for n in NODES if n not in (SMALL, "resnet18"))],
)
def test_layers_are_the_blocks_of_torchvision_s_network(name: str, tmp_path: Path) -> None:
    network, batch = released(name), images(1)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    extractor = create_feature_extractor(network, NODES[name])
    with torch.no_grad():
        expected = {node: value.clone() for node, value in extractor(batch).items()}
    backbone = load(name, tmp_path / "w.pth")
    read = backbone.tokens(batch)
    assert len(read.local_tokens) == len(backbone.layers) == len(NODES[name])
    for node, local, glob in zip(NODES[name], read.local_tokens, read.global_tokens, strict=True):
        maps = expected[node].permute(0, 3, 1, 2) if name == "swin_t" else expected[node]
        torch.testing.assert_close(local, maps, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(glob, maps.mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_blocks_and_attention_of_a_vit_of_another_size(tmp_path: Path) -> None:
    name = "vit_b_16.IMAGENET1K_SWAG_E2E_V1"
    network, batch = released("vit_b_16", image_size=384), images(1, 384)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    paths = {"block": "add_1", "attention": "dropout"}
    nodes = [f"encoder.layers.encoder_layer_{layer}.{node}" for layer in (0, 11) for node in paths.values()]
    with torch.no_grad():
        expected = create_feature_extractor(network, nodes)(batch)
    for tap, node in paths.items():
        read = load(name, tmp_path / "w.pth", tap=tap).tokens(batch)
        for layer in (0, 11):
            sequence = expected[f"encoder.layers.encoder_layer_{layer}.{node}"]
            patches = sequence[:, 1:].transpose(1, 2).reshape(1, 768, 24, 24)
            torch.testing.assert_close(read.global_tokens[layer], sequence[:, 0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(read.local_tokens[layer], patches, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("classes", [0, 10, 1000])
def test_files_with_any_classifier_or_none(classes: int, tmp_path: Path) -> None:
    state = released(SMALL, num_classes=classes or 1000).state_dict()
    torch.save({n: v for n, v in state.items() if classes or not n.startswith("classifier")}, tmp_path / "w.pth")
    own = load(path=tmp_path / "w.pth").module.state_dict()
    assert own
    assert all(torch.equal(value, state[name]) for name, value in own.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("features.0.0.weight"), r"missing: features\.0\.0\.weight; give the file"),
        (lambda s: s.update(more=torch.ones(1)), r"unexpected: more; give the file of this very network"),
        (lambda s: s["features.0.0.weight"].fill_(torch.nan), r"hold NaN in features\.0\.0\.weight; download"),
        (lambda s: s.update({"features.0.0.weight": torch.ones(3)}), r"features\.0\.0\.weight is 3, not 16x3x3x3"),
    ],
    ids=["missing", "extra", "NaN", "shape"],
)
def test_a_file_that_does_not_fit(change: Any, message: str, tmp_path: Path) -> None:
    state = released(SMALL).state_dict()
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=rf"torchvision/{SMALL} \(.*w\.pth\).*{message}") as caught:
        load(path=tmp_path / "w.pth")
    assert "\n" not in str(caught.value)


def test_untrained_is_torchvision_s_initialisation() -> None:
    with seeded(4):
        expected = get_model(SMALL).state_dict()
    own = load(init_seed=4).module.state_dict()
    assert expected.keys() - own.keys() == {name for name in expected if name.startswith("classifier")}
    assert all(torch.equal(value, expected[name]) for name, value in own.items())


@pytest.mark.parametrize(("name", "size"), [("efficientnet_b1.IMAGENET1K_V1", 240), ("vgg16.IMAGENET1K_FEATURES", 224)])
def test_native_pictures_are_as_torchvision_makes_them_but_for_the_crop(name: str, size: int, tmp_path: Path) -> None:
    # Of a picture that needs no resizing nothing is cropped there either.
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    shown = get_model_weights(name.partition(".")[0])[name.partition(".")[2]].transforms()
    expected = normalize(pil_to_tensor(Image.fromarray(pixels)) / 255, shown.mean, shown.std)
    assert shown.crop_size == [size]
    torch.testing.assert_close(
        load(name, preproc="native").preprocess(Image.fromarray(pixels)), expected, rtol=1e-4, atol=1e-4
    )
    assert load(name).preprocess(Image.fromarray(pixels)).shape == (3, 224, 224)
