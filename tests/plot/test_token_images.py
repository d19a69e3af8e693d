"""Pictures drawn from arrays: tokens, trajectories, concepts, transitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import AxesImage

from brainbench import UsageError
from brainbench.plot import (
    Caption,
    Picture,
    activation_table,
    channel_images,
    embedding_map,
    save,
    trajectory_map,
    transition_matrices,
)

RNG = np.random.default_rng(0)
CAPTION = Caption("toy/net, alignedcut, subject 1", True, ("A note.",))


def pictures(count: int, *size: int) -> np.ndarray:
    return RNG.integers(0, 256, (count, *size, 3), dtype=np.uint8)


def texts(figure: Picture) -> list[str]:
    return [text.get_text() for text in figure.texts]


def shown(figure: Picture) -> list[np.ndarray]:
    return [
        np.asarray(image.get_array()) for axes in figure.axes for image in axes.images if isinstance(image, AxesImage)
    ]


def test_each_image_stands_before_its_tokens_line_by_line() -> None:
    images = pictures(2, 8, 8)
    layers = {name: {f"layer{i}": pictures(2, 4, 4) for i in range(count)} for name, count in (("a", 2), ("b", 13))}
    figure = embedding_map(images, layers, CAPTION, "spectral embedding")
    expected = [
        array
        for row in range(2)
        for array in (images[row], *(tokens[row] for one in layers.values() for tokens in one.values()))
    ]
    found = shown(figure)
    assert len(found) == len(expected) == 2 * 16
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    said = texts(figure)
    assert said[0] == "toy/net, alignedcut, subject 1: spectral embedding"
    assert said[1].splitlines()[0].startswith("Simulated brain")
    assert said.count("13") == 1  # the thirteenth layer begins a line
    assert said.count("a") == 2
    assert said.count("b") == 4


def test_one_layer_of_one_image_will_do(tmp_path: Path) -> None:
    figure = embedding_map(pictures(1, 8, 8), {"a": {"conv": pictures(1, 2, 3)}}, Caption("a"))
    assert len(shown(figure)) == 2
    assert "conv" in texts(figure)
    assert not any("Simulated" in text for text in texts(figure))
    save(figure, tmp_path / "one.png")
    save(channel_images(pictures(1, 8, 8), {"all": pictures(1, 4, 4)}, CAPTION), tmp_path / "two.png")


@pytest.mark.parametrize("colours", [{}, {"a": {}}, {"a": {"one": np.zeros((3, 4, 4, 3), np.uint8)}}])
def test_tokens_are_of_the_images(colours: dict[str, dict[str, np.ndarray]]) -> None:
    with pytest.raises(UsageError, match="2 images and the tokens of (none|3): give one image at least"):
        embedding_map(pictures(2, 8, 8), colours, CAPTION)


def test_channels_have_a_column_a_roi() -> None:
    maps = {name: pictures(2, 4, 4) for name in ("V1", "EBA")}
    figure = channel_images(pictures(2, 8, 8), maps, CAPTION)
    assert len(shown(figure)) == 6
    assert [text for text in texts(figure) if text in maps] == ["V1", "EBA"]


def test_a_path_is_an_arrow_from_layer_to_layer(tmp_path: Path) -> None:
    places = [RNG.normal(size=(30, 2)) for _ in range(4)]
    paths = {"foreground": RNG.normal(size=(3, 4, 2)), "background": np.zeros((0, 4, 2))}
    paths["foreground"][1, 2] = np.nan
    figure = trajectory_map(places, paths, CAPTION)
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["foreground (3)"]
    assert len(figure.axes[0].texts) == 3 + 2 + 3
    save(figure, tmp_path / "paths.png")
    save(trajectory_map(places[:1], {"image centre": paths["foreground"][:1, :1]}, CAPTION), tmp_path / "one.png")
    with pytest.raises(UsageError, match="no regions to follow"):
        trajectory_map(places, {"background": paths["background"]}, CAPTION)


def test_means_and_spreads_have_scales_of_their_own() -> None:
    mean, sd = RNG.normal(size=(3, 2)), RNG.uniform(1, 9, (3, 2))
    mean[1] = np.nan
    figure = activation_table(
        {"mean": mean, "sd": sd}, ["0", "1", "2"], ["V1", "all"], CAPTION, swatches=pictures(1, 3)[0], spread=["sd"]
    )
    tables = [axes.images[0] for axes in figure.axes if axes.get_title() in ("mean", "sd")]
    np.testing.assert_allclose(np.ma.filled(tables[0].get_array(), np.nan), mean)
    assert tables[0].norm.vmax == -tables[0].norm.vmin == pytest.approx(np.nanmax(np.abs(mean)))
    assert (tables[1].norm.vmin, tables[1].norm.vmax) == (0, pytest.approx(sd.max()))
    with pytest.raises(UsageError, match=r"give \[2, 1\], a row and a ROI at least"):
        activation_table({"mean": mean}, ["0", "1"], ["V1"], CAPTION)


def test_figures_of_a_transition_are_written_in_it() -> None:
    table = np.array([[0.25, 0.75], [np.nan, np.nan]])
    figure = transition_matrices(
        {"all": table}, CAPTION, before="layer3", after="layer4", swatches=(pictures(1, 2)[0], pictures(1, 2)[0])
    )
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.25", "0.75"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("layer3", "layer4")
    with pytest.raises(UsageError, match="no transitions"):
        transition_matrices({}, CAPTION)
