from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from brainbench_alignedcut.channels import channel_maps, principal_channels, roi_tokens, to_rgb
from sklearn.decomposition import PCA

from brainbench import DataError

RNG = np.random.default_rng(0)


@dataclass
class Aligned:
    """Aligned tokens in memory, one grid a layer."""

    grids: tuple[tuple[int, int], ...] = ((4, 4), (4, 4))
    dim: int = 6
    images: int = 5
    key: str = "aligned"

    def __post_init__(self) -> None:
        self.layers = tuple(f"layer{i}" for i in range(len(self.grids)))
        self.channels = (self.dim,) * len(self.grids)
        self.values = [RNG.normal(size=(self.images, self.dim, *grid)).astype(np.float32) for grid in self.grids]

    def __len__(self) -> int:
        return self.images

    def local_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        return self.values[layer][rows]

    def global_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        return self.values[layer][rows].mean(axis=(2, 3))


def test_components_are_those_of_scikit_learn() -> None:
    weights = RNG.normal(size=(20, 8)) * np.linspace(1, 3, 8)
    found, expected = principal_channels(weights), PCA(3).fit_transform(weights.T)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(np.abs((found * expected).sum(axis=0)), (expected**2).sum(axis=0))
    assert (found[np.abs(found).argmax(axis=0), range(3)] > 0).all()


@pytest.mark.parametrize("weights", [np.ones((2, 8)), np.ones((8, 2)), np.full((4, 4), np.nan)])
def test_three_colours_need_three_voxels(weights: np.ndarray) -> None:
    with pytest.raises(DataError, match="three of each are needed for three colours, all finite"):
        principal_channels(weights)


def test_maps_are_those_of_listing_2() -> None:
    aligned, rows = Aligned(), np.array([3, 0])
    channel, layer = RNG.normal(size=(9, 6)), RNG.dirichlet(np.ones(2), 9)
    rois = {"V1": np.arange(9) < 5, "few": np.arange(9) > 6}
    maps = channel_maps(aligned, rows, channel, layer, rois)
    assert list(maps) == ["V1"]
    share, weights = layer[:5].mean(axis=0), principal_channels(channel[:5])
    for place, image in enumerate(rows):
        for h in range(4):
            for w in range(4):
                token = sum(share[one] * aligned.values[one][image, :, h, w] for one in range(2))
                np.testing.assert_allclose(maps["V1"][place, h, w], weights.T @ token, rtol=1e-4, atol=1e-5)


def test_without_a_layer_selector_layers_count_alike() -> None:
    aligned, rows, channel = Aligned(), np.arange(5), RNG.normal(size=(4, 6))
    rois = {"V1": np.ones(4, bool)}
    even = channel_maps(aligned, rows, channel, np.full((4, 2), 0.5), rois)["V1"]
    np.testing.assert_allclose(channel_maps(aligned, rows, channel, None, rois)["V1"], even, rtol=1e-6)


def test_layers_meet_on_the_finest_grid() -> None:
    aligned = Aligned(grids=((2, 2), (4, 4)))
    aligned.values[0][:] = 2.0
    found = roi_tokens(aligned, np.arange(5), np.array([0.5, 0.0]))
    assert found.shape == (5, 6, 4, 4)
    np.testing.assert_allclose(found, 1.0)


def test_one_scale_serves_all_images() -> None:
    maps = RNG.normal(size=(4, 10, 10, 3)) * [1, 5, 0] + [0, 3, 7]
    maps[2] += 10
    found = to_rgb(maps)
    assert found.dtype == np.uint8
    low, high = np.quantile(maps[..., 1].ravel(), (0.01, 0.99))
    expected = np.clip(np.round((maps[..., 1] - low) / (high - low) * 255), 0, 255)
    np.testing.assert_array_equal(found[..., 1], expected)
    assert found[2, ..., 0].mean() > found[1, ..., 0].mean() + 100
