"""Building a network: drawn from a seed, or filled from a file without being drawn first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from brainbench import Weights, WeightsError, build_network, numbered_layers, seeded

UNTRAINED = Weights("untrained")


class Counting(nn.Module):
    """A network with a linear layer, which knows the devices that it was built on."""

    devices: list[str]

    def __init__(self, devices: list[str]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.BatchNorm1d(4)])
        devices.append(self.blocks[0].weight.device.type)


class Unsaved(Counting):
    def __init__(self, devices: list[str]) -> None:
        super().__init__(devices)
        self.register_buffer("places", torch.arange(4.0), persistent=False)


class Plain(Counting):
    def __init__(self, devices: list[str]) -> None:
        super().__init__(devices)
        self.places = torch.arange(4.0)


class Computing(Counting):
    def __init__(self, devices: list[str]) -> None:
        super().__init__(devices)
        self.sum = float(torch.arange(4.0).sum())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The weights of a Counting, in half precision, one part deeper, with a head."""
    with seeded(9):
        state = Counting([]).half().state_dict()
    named = {f"net.{name}": value for name, value in state.items()}
    torch.save(named | {"net.head.weight": torch.ones(2), "other": torch.ones(1)}, tmp_path / "w.pth")
    return tmp_path / "w.pth"


def built(kind: Callable[[list[str]], nn.Module], weights: Weights, **more: Any) -> tuple[Any, list[str]]:
    devices: list[str] = []
    given = {"name": "my/net", "inside": "net", "drop": ("net.head.", "other")} | more
    return build_network(lambda: kind(devices), weights, 3, **given), devices


def test_without_a_file_the_seed_draws_the_weights() -> None:
    before = torch.get_rng_state()
    network, _ = built(Counting, UNTRAINED)
    assert torch.equal(torch.get_rng_state(), before)
    with seeded(3):
        expected = Counting([])
    assert torch.equal(network.blocks[0].weight, expected.blocks[0].weight)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_with_a_file_nothing_is_drawn(file: Path) -> None:
    network, devices = built(Counting, Weights("file", file))
    assert devices == ["meta"]
    own = network.state_dict()
    assert {name: value.dtype for name, value in own.items()} == {
        name: value.dtype for name, value in Counting([]).state_dict().items()
    }
    for name, value in torch.load(file).items():
        if name.startswith("net.blocks"):
            assert torch.equal(own[name.removeprefix("net.")], value.to(own[name.removeprefix("net.")].dtype))
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("kind", [Unsaved, Plain, Computing])
def test_a_network_with_values_of_its_own_keeps_them(kind: Any, file: Path) -> None:
    network, devices = built(kind, Weights("file", file))
    assert devices == ["meta", "cpu"] or (kind is Computing and devices[-1] == "cpu")
    assert torch.equal(network.places, torch.arange(4.0)) if kind is not Computing else network.sum == 6
    expected = torch.load(file)["net.blocks.0.weight"].float()
    assert torch.equal(network.blocks[0].weight, expected)


def test_names_are_converted_first(file: Path) -> None:
    def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name.replace("net.", "own."): value for name, value in state.items()}

    network, _ = built(Counting, Weights("file", file), convert=convert, inside="own", drop=("own.head.", "other"))
    assert torch.equal(network.blocks[0].weight, torch.load(file)["net.blocks.0.weight"].float())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"drop": ("net.head.",)}, r"the weights do not fit my/net \(.*w\.pth\); unexpected: other; give the file"),
        ({"inside": ""}, r"do not fit my/net .*; missing: blocks\.0\.weight, .* unexpected: net\.blocks\.0\.weight"),
        (
            {"convert": lambda state: state | {"net.blocks.0.bias": torch.ones(3)}},
            r"my/net .*; wrong shape: net\.blocks\.0\.bias is 3, not 4; give the file",
        ),
        (
            {"convert": lambda state: state | {"net.blocks.0.bias": torch.full((4,), torch.nan)}},
            r"the weights for my/net \(.*w\.pth\) hold NaN in net\.blocks\.0\.bias; download the file again",
        ),
    ],
    ids=["a stranger", "another place", "another shape", "NaN"],
)
def test_a_file_that_does_not_fit(file: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        built(Counting, Weights("file", file), **more)


def test_layers_are_numbered_from_1_and_read_from_0() -> None:
    network = nn.ModuleDict({"blocks": nn.Sequential(*(nn.Sequential(nn.ReLU(), nn.ReLU()) for _ in range(12)))})
    assert list(numbered_layers(network, "blocks.{}").items())[::11] == [
        ("layer1", "blocks.0"),
        ("layer12", "blocks.11"),
    ]
    assert numbered_layers(network, "blocks.{}.1")["layer3"] == "blocks.2.1"
    assert numbered_layers(network, "layers.{}") == {}
