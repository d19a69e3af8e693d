"""Whatever the axes of an output are, they are read right, or asked for in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from brainbench import ModuleBackbone, UsageError, from_module

SIDE = 32
CHANNELS = 12


def preprocess(image: Image.Image) -> Tensor:
    pixels = np.asarray(image.resize((SIDE, SIDE)), np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


class Net(nn.Module):
    """Colours of a grid's places, mixed to channels, in the form that ``shape`` gives them."""

    def __init__(self, grid: tuple[int, int], shape: Callable[[Tensor], Any], channels: int = CHANNELS) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.grid, self.shape = grid, shape
        self.mix, self.out = nn.Conv2d(3, channels, 1), nn.Identity()

    def maps(self, x: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(torch.as_tensor(self.mix(x)), self.grid)

    def forward(self, x: Tensor) -> Any:
        return self.out(self.shape(self.maps(x)))


def sequence(prefix: int = 0, suffix: int = 0) -> Callable[[Tensor], Tensor]:
    def shape(maps: Tensor) -> Tensor:
        patches = maps.flatten(2).transpose(1, 2)
        extra = patches.mean(dim=1, keepdim=True) + 99
        return torch.cat([extra.expand(-1, prefix, -1), patches, extra.expand(-1, suffix, -1)], 1)

    return shape


def batch(images: int = 2) -> Tensor:
    return torch.rand(images, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


FORMS: dict[str, tuple[tuple[int, int], Callable[[Tensor], Any]]] = {
    "channels first": ((8, 8), lambda maps: maps),
    "channels last": ((8, 8), lambda maps: maps.permute(0, 2, 3, 1)),
    "as many channels as places on a side": ((CHANNELS, CHANNELS), lambda maps: maps.permute(0, 2, 3, 1)),
    "channels last, no square": ((7, 8), lambda maps: maps.permute(0, 2, 3, 1)),
    "patches": ((8, 8), sequence()),
    "patches, channels first": ((8, 8), lambda maps: maps.flatten(2)),
    "class token": ((8, 8), sequence(1)),
    "registers": ((8, 8), sequence(5)),
    "tokens after": ((8, 8), sequence(1, 4)),
    "only after": ((8, 8), sequence(0, 1)),
    "only after, fine grid": ((40, 40), sequence(0, 1)),
    "registers after, fine grid": ((40, 40), sequence(1, 2)),
    "detection": ((4, 4), sequence(1, 8)),
    "7 x 8": ((7, 8), sequence(1)),
    "8 x 7, prompts": ((8, 7), sequence(0, 10)),
    "tuple": ((8, 8), lambda maps: (maps, "weights")),
    "mapping": ((8, 8), lambda maps: {"last_hidden_state": sequence(1)(maps), "other": 1}),
}


@pytest.mark.parametrize(("grid", "shape"), FORMS.values(), ids=FORMS.keys())
def test_every_form_gives_the_same_places(grid: tuple[int, int], shape: Callable[[Tensor], Any]) -> None:
    net = Net(grid, shape).eval()
    found = ModuleBackbone(net, ["out"], preprocess).tokens(batch())
    with torch.no_grad():
        torch.testing.assert_close(found.local_tokens[0], net.maps(batch()))


def test_a_layout_that_is_named_is_not_asked_for() -> None:
    net = Net((8, 8), sequence(1, 4)).eval()
    shown: list[int] = []
    net.register_forward_hook(lambda _module, inputs, _output: shown.append(len(inputs[0])))
    found = ModuleBackbone(net, ["out"], preprocess, layout={"out": "1+8x8+4"}).tokens(batch())
    torch.testing.assert_close(found.local_tokens[0], net.maps(batch()).detach())
    assert shown == [2]


class Mixed(nn.Module):
    """Tokens that answer to nothing: every one is the image's mean."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens, self.out = tokens, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.out(x.mean(dim=(2, 3))[:, None].repeat(1, self.tokens, 4)))


def test_where_nothing_tells_the_usual_is_read_and_anything_else_asked_for() -> None:
    found = ModuleBackbone(Mixed(65), ["out"], preprocess).tokens(batch())
    assert found.local_tokens[0].shape == (2, 12, 8, 8)
    with pytest.raises(UsageError, match=r"layer out: gives \[B, 69, 12\], and nothing tells .*say so with layout="):
        ModuleBackbone(Mixed(69), ["out"], preprocess).tokens(batch())
    named = ModuleBackbone(Mixed(69), ["out"], preprocess, layout="5+8x8").tokens(batch())
    assert named.local_tokens[0].shape == (2, 12, 8, 8)


REFUSED: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "windows": (
        lambda maps: maps.reshape(len(maps), CHANNELS, 2, 4, 2, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, 4, CHANNELS),
        r"gives \[8, 4, 4, 12\] for 2 images: its first axis is not that of the images",
    ),
    "places first": (lambda maps: maps.flatten(2).permute(2, 0, 1), r"gives \[64, 2, 12\] for 2 images"),
    "numbers": (lambda maps: maps.argmax(dim=1), r"gives torch\.int64 values, expected a tensor of floats"),
    "five axes": (lambda maps: maps[:, None], r"gives \[2, 1, 12, 8, 8\], expected \[B, C, H, W\]"),
    "a mapping": (lambda maps: {"a": maps, "b": 1}, r"gives dict of a, b, expected a tensor of floats"),
    "nested": (lambda maps: ((maps, maps), maps), r"gives tuple, expected a tensor of floats"),
}  # fmt: skip


@pytest.mark.parametrize(("shape", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_other_outputs_are_one_line(shape: Callable[[Tensor], Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"layer out: {message}") as refused:
        ModuleBackbone(Net((8, 8), shape), ["out"], preprocess).tokens(batch())
    assert "\n" not in str(refused.value)


def test_places_first_are_noticed_even_with_as_many_images() -> None:
    net = Net((8, 8), lambda maps: maps.flatten(2).permute(2, 0, 1))
    with pytest.raises(UsageError, match=r"gives \[64, 17, 12\] for 17 images"):
        ModuleBackbone(net, ["out"], preprocess).tokens(batch(64))


@pytest.mark.parametrize("text", ["NCHW", "8", "1+8", "8x8x8"])
def test_a_layout_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"layer out: layout '.*'; allowed are BCHW, BHWC, and a sequence"):
        ModuleBackbone(Net((8, 8), sequence()), ["out"], preprocess, layout=text)


def test_a_layout_that_does_not_fit_or_names_no_layer_is_refused() -> None:
    net = Net((8, 8), sequence(1))
    with pytest.raises(UsageError, match=r"layer out: gives \[2, 65, 12\], which is not of layout 8x8"):
        ModuleBackbone(net, ["out"], preprocess, layout="8x8").tokens(batch())
    with pytest.raises(UsageError, match=r"layout names 'ou' \(did you mean 'out'\?\); the layers are out"):
        ModuleBackbone(net, ["out"], preprocess, layout={"ou": "8x8"})


def test_a_network_in_bfloat16_takes_images() -> None:
    net = Net((8, 8), lambda maps: maps).to(torch.bfloat16)
    found = ModuleBackbone(net, ["out"], preprocess).tokens(batch())
    assert found.local_tokens[0].shape == (2, CHANNELS, 8, 8)


class BatchFeature(dict[str, Any]):
    """As transformers' processors return it."""


MADE: dict[str, Callable[[Tensor], Any]] = {
    "numpy": lambda image: image.numpy(),
    "an axis of one": lambda image: image[None],
    "a processor's": lambda image: BatchFeature(pixel_values=image[None]),
    "a processor's arrays": lambda image: BatchFeature(pixel_values=[image.numpy()]),
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE.keys())
def test_what_processors_return_is_an_image(made: Callable[[Tensor], Any]) -> None:
    image = Image.new("RGB", (40, 40), (10, 20, 30))
    backbone = ModuleBackbone(Net((8, 8), sequence()), ["out"], lambda picture: made(preprocess(picture)))
    torch.testing.assert_close(backbone.preprocess(image), preprocess(image))


WRONG: Mapping[str, tuple[Callable[[Tensor], Any], str]] = {
    "bytes": (lambda image: (255 * image).to(torch.uint8), r"Tensor torch\.uint8 \[3, 32, 32\]"),
    "channels last": (lambda image: image.permute(1, 2, 0), r"Tensor torch\.float32 \[32, 32, 3\]"),
    "a picture": (lambda image: Image.new("RGB", (4, 4)), "Image"),
}


@pytest.mark.parametrize(("made", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_image_is_refused(made: Callable[[Tensor], Any], message: str) -> None:
    backbone = ModuleBackbone(Net((8, 8), sequence()), ["out"], lambda picture: made(preprocess(picture)))
    with pytest.raises(UsageError, match=f"preprocess gives {message}, expected a tensor of floats"):
        backbone.preprocess(Image.new("RGB", (40, 40)))


def test_modules_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(UsageError, match=r"Sequential: 0\.weight holds no values yet: load weights"):
        from_module(nn.Sequential(nn.Linear(3, 3, device="meta")), ["0"], preprocess)
    with pytest.raises(UsageError, match=r"0\.weight holds no values yet"):
        from_module(nn.Sequential(nn.LazyLinear(3)), ["0"], preprocess)
