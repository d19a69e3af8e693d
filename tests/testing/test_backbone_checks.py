"""For every check of the kit, a backbone that breaks exactly what it is about is named by it; a good one passes all."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from brainbench import BackboneCard, ModuleBackbone, Tokens, Weights, seeded, square
from brainbench.testing import BACKBONE_CHECKS, BackboneCase, BackboneContract, ContractError


class Good(ModuleBackbone):
    """Two convolutions; subclasses spoil one thing each."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        with seeded(settings["init_seed"]):
            net = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 5, 3, padding=1), nn.Dropout(0.5))
        layers = ["1"] if settings["tap"] == "attention" else ["0"]
        super().__init__(
            net.eval().requires_grad_(False), {"layer1": layers[0]}, lambda image: square(image, 16), self.read
        )

    def read(self, output: Tensor, name: str) -> Tokens:
        return Tokens.from_local([output])


def card_of(kind: Callable[[Mapping[str, Any]], Any], **facts: Any) -> BackboneCard:
    def load(*, weights: Weights, settings: Mapping[str, Any]) -> Any:
        return kind(settings)

    known: dict[str, Any] = {"layers": 1, "width": 4, "patch": 4, "input_size": 16, "parameters": 381}
    return BackboneCard(name="toy/net", loader=load, **{**known, "taps": ("block", "attention"), **facts})


def broken_by(kind: Callable[[Mapping[str, Any]], Any], **facts: Any) -> dict[str, str]:
    """The checks that this backbone does not pass, and what they say."""
    case, found = BackboneCase(card_of(kind, **facts)), {}
    for name, check in BACKBONE_CHECKS.items():
        try:
            check(case)
        except Exception as error:
            found[name] = str(error)
    return found


def test_a_good_backbone_passes_all() -> None:
    assert broken_by(Good) == {}


class TestGood(BackboneContract):
    """The same through pytest, as a plugin's author writes it."""

    @pytest.fixture
    def case(self) -> BackboneCase:
        return BackboneCase(card_of(Good))


class TestByName(BackboneContract):
    name = "pixels"


class Half(Good):
    def read(self, output: Tensor, name: str) -> Tokens:
        return Tokens((output,), (output.mean(dim=(2, 3))[:, :2],))


class NotANumber(Good):
    def read(self, output: Tensor, name: str) -> Tokens:
        return Tokens.from_local([output / 0])


class Whole(Good):
    def read(self, output: Tensor, name: str) -> Tokens:
        rounded = (output * 100).round().long()
        return Tokens((rounded,), (rounded[:, :, 0, 0],))


class Learning(Good):
    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._module.requires_grad_(True)


class Graph(Good):
    def tokens(self, batch: Tensor) -> Tokens:
        return Tokens.from_local([self._module[0](batch) * torch.ones(1, requires_grad=True)])  # type: ignore[index]


class Training(Good):
    def tokens(self, batch: Tensor) -> Tokens:
        self._module[2].training = True  # type: ignore[index]
        return super().tokens(batch)


class Noisy(Good):
    def tokens(self, batch: Tensor) -> Tokens:
        generator = torch.Generator()
        generator.seed()
        return super().tokens(batch + 1e-3 * torch.randn(batch.shape, generator=generator))


class Unseeded(Good):
    count = 0

    def __init__(self, settings: Mapping[str, Any]) -> None:
        Unseeded.count += 1
        super().__init__({**settings, "init_seed": Unseeded.count})


class Deaf(Good):
    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__({**settings, "init_seed": 0})


class AcrossTheBatch(Good):
    def tokens(self, batch: Tensor) -> Tokens:
        return super().tokens(batch - batch.mean(dim=0, keepdim=True))


class AcrossTheBatchAtOneTap(Good):
    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.attention = settings["tap"] == "attention"

    def tokens(self, batch: Tensor) -> Tokens:
        return super().tokens(batch - batch.mean(dim=0, keepdim=True) if self.attention else batch)


class Sorted(Good):
    def tokens(self, batch: Tensor) -> Tokens:
        return super().tokens(batch[batch.sum(dim=(1, 2, 3)).argsort()])


class Blind(Good):
    def tokens(self, batch: Tensor) -> Tokens:
        return super().tokens(torch.ones_like(batch))


class Unscaled(Good):
    def preprocess(self, image: Image.Image) -> Tensor:
        return torch.from_numpy(np.array(image.resize((16, 16)))).permute(2, 0, 1).float()


class AnySize(Good):
    def preprocess(self, image: Image.Image) -> Tensor:
        return square(image, 16 if image.mode == "RGB" else 20)


class Counting(Good):
    calls = 0.0

    def preprocess(self, image: Image.Image) -> Tensor:
        self.calls += 1
        return super().preprocess(image) + (self.calls if self.calls > 10 else 0)


class NativeWithout(Good):
    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        if settings["preproc"] == "native":
            self.read = lambda output, name: Tokens.from_local([output / 0])  # type: ignore[method-assign]
            self._read = self.read


class OneTap(Good):
    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__({**settings, "tap": "block"})


class Calling(Good):
    def __init__(self, settings: Mapping[str, Any]) -> None:
        with suppress(OSError):
            socket.create_connection(("weights.example.org", 443), timeout=1)
        super().__init__(settings)


class TorchSeed(Good):
    def __init__(self, settings: Mapping[str, Any]) -> None:
        torch.manual_seed(0)
        super().__init__(settings)


class PythonSeed(Good):
    def __init__(self, settings: Mapping[str, Any]) -> None:
        random.random()
        super().__init__(settings)


class NumpySeed(Good):
    def __init__(self, settings: Mapping[str, Any]) -> None:
        np.random.rand()
        super().__init__(settings)


@pytest.mark.parametrize(
    ("kind", "check", "message"),
    [
        (Half, "shapes", r"global tokens of layer layer1 are [3, 2], expected [3, 4]"),
        (NotANumber, "shapes", "hold NaN or infinite"),
        (Whole, "dtype and device", "tokens are torch.int64"),
        (Learning, "frozen", "4 parameters want gradients, 0.weight, 0.bias ...; call requires_grad_(False)"),
        (Graph, "frozen", "the tokens want gradients"),
        (Training, "eval mode", "in training mode: 2"),
        (Noisy, "deterministic", "two passes over the same images differ"),
        (Unseeded, "deterministic", "the same init_seed gives other tokens"),
        (Deaf, "init seed", "init_seed=1 gives the tokens of init_seed=0"),
        (AcrossTheBatch, "alone", "tap=block: an image alone differs from the same image in a batch by"),
        (AcrossTheBatchAtOneTap, "alone", "tap=attention: an image alone differs from the same image in a batch by"),
        (Sorted, "order", "in another order, tokens differ"),
        (Blind, "order", "two different pictures have the same tokens"),
        (AnySize, "preprocessing", "a picture of mode L becomes torch.float32 [3, 20, 20]"),
        (Counting, "preprocessing", "when several threads call it"),
        (NativeWithout, "native", "hold NaN"),
        (OneTap, "taps", "tap=attention gives the tokens of tap=block"),
        (Calling, "quiet", "loading the untrained network calls ('weights.example.org', 443)"),
        (TorchSeed, "quiet", "loading draws from the global generator of torch"),
        (PythonSeed, "quiet", "loading draws from the global generator of Python"),
        (NumpySeed, "quiet", "loading draws from the global generator of numpy"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_what_is_broken_is_named(kind: type[Good], check: str, message: str) -> None:
    found = broken_by(kind)
    assert check in found
    assert message in found[check]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"layers": 2}, "the card says layers 2, the network has 1"),
        ({"width": 5}, "the card says width 5, the network has 4"),
        ({"patch": 8}, "the card says patch 8, the network has 4"),
        ({"input_size": 224}, "the card says input_size 224, the network has 16"),
        ({"parameters": 100}, "the card says parameters 100, the network has 381"),
        ({"weights": "v1"}, "weights are released, but the card gives no source"),
    ],
)
def test_a_card_that_says_something_else(facts: dict[str, Any], message: str) -> None:
    assert broken_by(Good, **facts) == {"card": message}


def test_a_joint_pass_that_gives_other_tokens() -> None:
    class Joint:
        def __init__(self, names: Any, settings: Mapping[str, Any]) -> None:
            self._one = Good(settings)
            self.module, self.layers = self._one.module, dict.fromkeys(names, self._one.layers)

        def preprocess(self, image: Image.Image) -> Tensor:
            return self._one.preprocess(image)

        def tokens(self, batch: Tensor) -> dict[str, Tokens]:
            return {name: self._one.tokens(batch * 2) for name in self.layers}

    def joint(*, names: Any, weights: Weights, settings: Mapping[str, Any]) -> Joint:
        return Joint(names, settings)

    assert list(broken_by(Good, joint=joint)) == ["joint"]


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torch", "numpy", "PIL", "huggingface_hub"])
def test_a_plugin_that_imports_a_library_at_once(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    import brainbench.testing.cases as kit
    from brainbench.plugins import Plugin
    from brainbench.registry import Registry

    (tmp_path / "heavy_plugin.py").write_text(f"import {library}\ndef register_backbones(): return []\n")
    info = tmp_path / "heavy_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: heavy-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[brainbench]\nheavy = heavy_plugin\n")
    card = card_of(Good)
    registry = Registry([Plugin("heavy", "heavy-plugin", "1.0", {"backbones": (card,)})])
    monkeypatch.setattr(kit, "installed", lambda: registry)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with pytest.raises(ContractError, match=rf"importing the plugin heavy: .*imports .*\b{library}\b"):
        BACKBONE_CHECKS["light"](BackboneCase(card))
