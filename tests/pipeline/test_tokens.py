from __future__ import annotations

import numpy as np
import pytest
import torch
import toy
from PIL import Image

from brainbench import DataError
from brainbench.pipeline.tokens import Extractor, Wanted, resample


@pytest.mark.parametrize("shape", [(16, 16), (14, 14), (37, 20), (7, 7), (8, 8), (1, 1)])
def test_every_grid_becomes_eight_by_eight_as_pil_would_make_it(shape: tuple[int, int]) -> None:
    field = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    # PIL's bilinear filter widens when it shrinks: antialiased.
    expected = np.asarray(Image.fromarray(field).resize((8, 8), Image.Resampling.BILINEAR))
    found = resample(torch.from_numpy(field)[None, None], "8")
    assert found.shape == (1, 1, 8, 8)
    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-5)


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


def extract(
    net: toy.ToyNet, batch: torch.Tensor, size: int, dtype: str = "float32", shown: Shown | None = None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    settings = {"batch": size, "precision": "float32", "dtype": dtype}
    extractor = Extractor(lambda images: {"toy": net.tokens(images)}, "cpu", settings)
    return extractor.extract(shown or Shown(batch), len(batch), [Wanted("toy", net.layers, "8")])[0]


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
