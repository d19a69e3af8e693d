from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from brainbench.fitting.closed_form.surround import coarse, find_surround

GRID = (8, 8)


def tokens(images: int = 40, seed: int = 0) -> list[Tensor]:
    """Of two layers; the second is wider and has larger numbers, and a mean of its own at every place."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(images, 65, 3, generator=generator)
    return [first, 5 * torch.randn(images, 65, 7, generator=generator) + 9 * torch.rand(65, 7, generator=generator)]


def test_coarse_tokens_are_means_over_four_by_four_parts() -> None:
    layer = tokens()[1]
    parts = layer[:, :64].reshape(40, 4, 2, 4, 2, 7).numpy().mean(axis=(2, 4))
    np.testing.assert_allclose(coarse(layer, GRID).numpy(), np.moveaxis(parts, 3, 1).reshape(40, -1), atol=1e-5)


@pytest.mark.parametrize("components", [5, 128])
def test_the_components_are_the_principal_ones_of_all_layers_at_the_same_scale(components: int) -> None:
    layers = tokens()
    found = find_surround(GRID, 2, lambda number: layers[number], components)
    assert found is not None
    wide = []
    for layer in layers:
        flat = coarse(layer, GRID).double().numpy()
        flat -= flat.mean(axis=0)
        wide.append(flat / np.sqrt(2 * np.square(flat).sum(axis=1).mean()))
    # Of 40 images about their mean no more than 39 components are left.
    expected = PCA(min(components, 39)).fit_transform(np.concatenate(wide, axis=1))
    scores = found(layers).double().numpy()
    assert scores.shape == expected.shape
    scores -= scores.mean(axis=0)
    np.testing.assert_allclose(scores * np.sign((scores * expected).sum(axis=0)), expected, atol=1e-4)


def test_a_layer_that_is_the_same_for_all_images_tells_nothing() -> None:
    layers = tokens()
    layers[0][:] = layers[0][0]
    found = find_surround(GRID, 2, lambda number: layers[number])
    assert found is not None
    assert float(found.get_buffer("basis_0").abs().max()) == 0
    layers[1][:] = layers[1][0]
    assert find_surround(GRID, 2, lambda number: layers[number]) is None


def test_weighted_components_are_what_voxels_read() -> None:
    layers = tokens()
    found = find_surround(GRID, 2, lambda number: layers[number])
    assert found is not None
    weights = torch.randn(3, found.components, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(found.weighted(weights)(layers), found(layers) @ weights.t(), atol=1e-5, rtol=0)
