from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from brainbench import Backbone, ModuleBackbone, UsageError


class Sequences(nn.Module):
    """Adds ``prefix`` tokens of -1, -2, ... before the patches of a 6 x 6 image."""

    def __init__(self, prefix: int) -> None:
        super().__init__()
        self.prefix = prefix

    def forward(self, x: Tensor) -> Tensor:
        patches = x.flatten(2).transpose(1, 2)
        front = -torch.arange(1.0, self.prefix + 1)[None, :, None].expand(len(x), -1, x.shape[1])
        return torch.cat([front, patches], dim=1)


class Tupled(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, str]:
        return x + 1, "attention weights"


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.relu = nn.ReLU(inplace=True)
        self.tuple = Tupled()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(4, 5))
        self.unused = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.pool(self.tuple(self.relu(self.conv(x)))[0]))
        return out


def preprocess(image: Image.Image) -> Tensor:
    pixels = np.asarray(image.resize((6, 6)), np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


@pytest.fixture
def batch() -> Tensor:
    return torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def hook_count(module: nn.Module) -> int:
    return sum(len(m._forward_hooks) for m in module.modules())


def test_is_a_backbone() -> None:
    network = Network()
    backbone: Backbone = ModuleBackbone(network, ["conv", "head.1"], preprocess)
    assert isinstance(backbone, Backbone)
    assert backbone.module is network
    assert tuple(backbone.layers) == ("conv", "head.1")
    assert torch.equal(backbone.preprocess(Image.new("RGB", (7, 5), (51, 51, 51))), torch.full((3, 6, 6), 0.2))


def test_maps_and_vectors(batch: Tensor) -> None:
    network = Network()
    tokens = ModuleBackbone(network, ["tuple", "conv", "head.1"], preprocess).tokens(batch)
    conv = network.conv(batch).detach()
    assert torch.equal(tokens.local_tokens[0], conv.relu() + 1)
    # Before the ReLU changed it in place.
    assert torch.equal(tokens.local_tokens[1], conv)
    torch.testing.assert_close(tokens.global_tokens[1], conv.flatten(2).mean(2))
    assert torch.equal(tokens.global_tokens[2], network(batch))
    assert torch.equal(tokens.local_tokens[2], network(batch)[:, :, None, None])
    assert all(t.requires_grad for t in (*tokens.local_tokens, *tokens.global_tokens))
    with torch.no_grad():
        tokens = ModuleBackbone(network, ["tuple", "conv", "head.1"], preprocess).tokens(batch)
    assert not any(t.requires_grad for t in (*tokens.local_tokens, *tokens.global_tokens))


@pytest.mark.parametrize("prefix", range(10))
def test_sequences(batch: Tensor, prefix: int) -> None:
    tokens = ModuleBackbone(nn.Sequential(Sequences(prefix)), ["0"], preprocess).tokens(batch)
    assert torch.equal(tokens.local_tokens[0], batch)
    expected = torch.full((2, 3), -1.0) if prefix else batch.mean(dim=(2, 3))
    torch.testing.assert_close(tokens.global_tokens[0], expected)


@pytest.mark.parametrize("shape", [(2,), (2, 1, 1, 1, 1)])
def test_other_shapes(batch: Tensor, shape: tuple[int, ...]) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(shape)

    with pytest.raises(UsageError, match=r"layer 0: gives \[2.*name another submodule"):
        ModuleBackbone(nn.Sequential(Odd()), ["0"], preprocess).tokens(batch)


def test_hooks_leave_no_trace(batch: Tensor) -> None:
    network = Network()
    ModuleBackbone(network, ["conv", "head.1"], preprocess).tokens(batch)
    assert hook_count(network) == 0
    with pytest.raises(RuntimeError):
        ModuleBackbone(network, ["conv", "head.1"], preprocess).tokens(batch[:, :2])
    assert hook_count(network) == 0


def test_unknown_name_is_named() -> None:
    with pytest.raises(
        UsageError, match=r"Network has no submodule 'head\.l' \(did you mean 'head\.1'\?\); module\.named"
    ):
        ModuleBackbone(Network(), ["conv", "head.l"], preprocess)


@pytest.mark.parametrize("layers", [[], "conv"])
def test_no_layers(layers: Any) -> None:
    with pytest.raises(UsageError, match=r"layers of Network: .* given, expected a list of names"):
        ModuleBackbone(Network(), layers, preprocess)


def test_a_layer_named_twice() -> None:
    with pytest.raises(UsageError, match="layers of Network: conv, conv: each may be named once"):
        ModuleBackbone(Network(), ["conv", "conv"], preprocess)


def test_a_layer_that_does_not_run(batch: Tensor) -> None:
    with pytest.raises(UsageError, match="layer unused: does not run in the forward pass of Network"):
        ModuleBackbone(Network(), ["unused"], preprocess).tokens(batch)


def test_a_layer_without_a_tensor(batch: Tensor) -> None:
    class Mapped(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"x": x}

    with pytest.raises(UsageError, match="layer 0: gives dict of x, expected a tensor of floats; name another"):
        ModuleBackbone(nn.Sequential(Mapped()), ["0"], preprocess).tokens(batch)
