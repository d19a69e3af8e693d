from __future__ import annotations

import numpy as np
import pytest
import torch
import toy
from PIL import Image

from brainbench import DataError, PluginError, Tokens
from brainbench.pipeline.extractor import Extractor, TokenOutput, all_finite, resample


@pytest.mark.parametrize("shape", [(16, 16), (14, 14), (37, 20), (7, 7), (8, 8), (1, 1)])
def test_every_grid_becomes_eight_by_eight_as_pil_would_make_it(shape: tuple[int, int]) -> None:
    field = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    # PIL's bilinear filter widens when it shrinks: antialiased.
    expected = np.asarray(Image.fromarray(field).resize((8, 8), Image.Resampling.BILINEAR))
    found = resample(torch.from_numpy(field)[None, None], "8")
    assert found.shape == (1, 1, 8, 8)
    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-5)


def test_channels_and_images_stay_apart_when_a_grid_is_resampled() -> None:
    tokens = torch.randn(3, 5, 14, 20).contiguous(memory_format=torch.channels_last)
    expected = torch.nn.functional.interpolate(tokens, (8, 8), mode="bilinear", antialias=True, align_corners=False)
    for stored in (tokens, tokens.to(memory_format=torch.channels_last)):
        torch.testing.assert_close(resample(stored, "8"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [np.inf, -np.inf], [np.nan, 3e38]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_one_value_that_is_not_finite_is_found_among_many(bad: list[float], dtype: torch.dtype) -> None:
    values = torch.randn(1000, dtype=dtype)
    assert all_finite(values)
    values[500 : 500 + len(bad)] = torch.tensor(bad, dtype=dtype)
    assert not all_finite(values)


def test_values_whose_sum_is_too_large_are_finite_all_the_same() -> None:
    assert all_finite(torch.full((100,), 3e38))


def test_the_native_grid_is_left_alone() -> None:
    tokens = torch.randn(2, 3, 5, 7)
    assert resample(tokens, "native") is tokens


class Shown:
    """Gives the images of a tensor."""

    def __init__(self, batch: torch.Tensor) -> None:
        self.left = batch
        self.asked: list[int] = []

    def take(self, count: int) -> torch.Tensor:
        self.asked.append(count)
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def names(self, count: int) -> list[str]:
        last = sum(self.asked)
        return [f"image {number}" for number in range(last - count, last)]


def extract(
    net: toy.ToyNet, batch: torch.Tensor, size: int, dtype: str = "float32", shown: Shown | None = None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    settings = {"batch": size, "precision": "float32", "dtype": dtype}
    extractor = Extractor(lambda images: {"toy": net.tokens(images)}, "cpu", settings)
    return extractor.extract(shown or Shown(batch), len(batch), [TokenOutput("toy", net.layers, "8")])[0]


def test_batches_do_not_show_in_the_tokens() -> None:
    batch = torch.rand(7, 3, 16, 16)
    results = [extract(toy.ToyNet(), batch, size) for size in (0, 1, 3, 7)]
    for local, glob in results[1:]:
        for one, other in zip([*local, *glob], [*results[0][0], *results[0][1]], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_what_float16_cannot_hold_says_how_to_keep_it() -> None:
    with pytest.raises(DataError, match=r"layer colour reaches .*--set toy.dtype=float32"):
        extract(toy.ToyNet(1e6), torch.ones(1, 3, 8, 8), 1, "float16")
    local, _ = extract(toy.ToyNet(1e6), torch.ones(1, 3, 8, 8), 1)
    assert local[0].max() == 1e6


class Hungry(toy.ToyNet):
    """Takes no more than ``most`` images at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.taken: list[int] = []

    def tokens(self, batch: torch.Tensor) -> Tokens:
        if len(batch) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.taken.append(len(batch))
        return super().tokens(batch)


def test_out_of_memory_halves_the_batch_for_good() -> None:
    batch = torch.rand(23, 3, 8, 8)
    net = Hungry(5)
    local, _ = extract(net, batch, 16)
    assert net.taken == [4, 4, 4, 4, 4, 3]
    np.testing.assert_array_equal(local[0], extract(toy.ToyNet(), batch, 32)[0][0])


def test_one_image_too_large() -> None:
    with pytest.raises(PluginError, match="toy: memory does not suffice for one image on cpu"):
        extract(Hungry(0), torch.rand(3, 3, 8, 8), 2)


def test_an_error_of_the_network_is_not_taken_for_want_of_memory() -> None:
    class Broken(toy.ToyNet):
        def tokens(self, batch: torch.Tensor) -> Tokens:
            raise RuntimeError("size mismatch")

    with pytest.raises(RuntimeError, match="size mismatch"):
        extract(Broken(), torch.rand(3, 3, 8, 8), 2)


def test_a_chunk_is_cut_alike_whether_or_not_its_first_image_found_the_size() -> None:
    fixed, found = Shown(torch.rand(70, 3, 8, 8)), Hungry(32)
    extract(found, fixed.left, 0, shown=fixed)
    assert found.taken == [1, 32, 32, 6]


def test_bfloat16_is_close_and_finite() -> None:
    network = torch.nn.Conv2d(3, 4, 3).requires_grad_(False)
    batch = torch.rand(4, 3, 12, 12)

    def read(images: torch.Tensor) -> dict[str, Tokens]:
        return {"net": Tokens.from_local([network(images)])}

    def tokens(precision: str) -> np.ndarray:
        settings = {"batch": 2, "precision": precision, "dtype": "float32"}
        return Extractor(read, "cpu", settings).extract(Shown(batch), 4, [TokenOutput("net", ("1",), "native")])[0][0][
            0
        ]

    exact, quick = tokens("float32"), tokens("bfloat16")
    assert 0 < np.abs(exact - quick).max() < 0.02
