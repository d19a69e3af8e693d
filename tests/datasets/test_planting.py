from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brainbench.datasets import list_images, planted, planting, small_images, write_images


def whole(content: np.ndarray, voxels: int, seed: int = 0, **more: object) -> np.ndarray:
    return np.concatenate(list(planted(content, voxels, seed, **more)))  # type: ignore[arg-type]


def test_pictures_show_their_content() -> None:
    pictures, content = small_images(400, seed=3, size=24)
    assert pictures.shape == (400, 24, 24, 3)
    assert content.shape == (400, 192)
    assert content.dtype == np.float32
    assert abs(content.mean()) < 0.1
    assert content.std() == pytest.approx(1, abs=0.05)
    # Each of the 8 x 8 places, averaged over its 3 x 3 pixels.
    seen = pictures.reshape(400, 8, 3, 8, 3, 3).mean(axis=(2, 4)).reshape(400, 192)
    assert np.corrcoef(seen.ravel(), content.ravel())[0, 1] > 0.9
    assert len({picture.tobytes() for picture in pictures}) == 400


def test_a_picture_is_known_by_its_number() -> None:
    every, content = small_images(30, seed=1, size=10)
    some, of_some = small_images([7, 7, 12, 0], seed=1, size=10)
    np.testing.assert_array_equal(some, every[[7, 7, 12, 0]])
    np.testing.assert_array_equal(of_some, content[[7, 7, 12, 0]])
    assert (small_images(30, seed=2, size=10)[0] != every).any()


@pytest.mark.slow
def test_figures_hang_together_as_planting_takes_it() -> None:
    _, content = small_images(20000, seed=5, size=8)
    np.testing.assert_allclose(np.cov(content.T), planting._correlation(), atol=0.05)


def test_the_files_are_the_pictures(tmp_path: Path) -> None:
    names = [f"im-{number}.png" for number in (3, 1, 2)]
    content = write_images(tmp_path / "images", names, seed=1, size=16, numbers=[5, 6, 5])
    pictures, expected = small_images([5, 6, 5], seed=1, size=16)
    np.testing.assert_array_equal(content, expected)
    assert list_images(tmp_path / "images") == sorted(names)
    for name, picture in zip(names, pictures, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "images" / name)), picture)
    np.testing.assert_array_equal(write_images(tmp_path / "more", names, seed=1, size=8), small_images(3, 1, 8)[1])


def test_voxels_read_four_figures_linearly_with_the_noise_asked_for() -> None:
    _, content = small_images(3000, seed=0, size=8)
    values = whole(content, 5, noise=0.5)
    features = content.astype(np.float64)
    _, residue, *_ = np.linalg.lstsq(features, values.astype(np.float64), rcond=None)
    np.testing.assert_allclose(np.sqrt(residue / (3000 - 192)), 0.5, rtol=0.06)
    signal = whole(content, 5, noise=0.0)
    np.testing.assert_allclose(signal.std(axis=0), 1, rtol=0.08)
    weights = np.linalg.lstsq(features, signal.astype(np.float64), rcond=None)[0]
    np.testing.assert_allclose(features @ weights, signal, atol=1e-5)
    np.testing.assert_array_equal((np.abs(weights) > 1e-6).sum(axis=0), 4)
    strengths = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose((whole(content, 5, noise=strengths) - signal).std(axis=0), strengths, rtol=0.06)


def test_blocks_repeats_and_other_pictures_change_nothing_else() -> None:
    _, content = small_images(40, seed=0, size=8)
    rows = np.array([3, 3, 0, 39, 3, 12, 0])
    values = whole(content, 6, rows=rows)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, whole(content, 6, rows=rows, block=3), atol=1e-6)
    assert [len(block) for block in planted(content, 6, 0, rows, block=3)] == [3, 3, 1]
    np.testing.assert_allclose(
        values, whole(content[[0, 3, 12, 39]], 6, rows=np.array([1, 1, 0, 3, 1, 2, 0])), atol=1e-6
    )
    np.testing.assert_allclose(
        whole(content, 6, rows=rows, noise=0.0), whole(content, 6, noise=0.0)[rows], rtol=1e-5, atol=1e-6
    )
    assert (values[0] != values[1]).all()  # fresh noise
    assert (values != whole(content, 6, seed=1, rows=rows)).all()
