from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cortices import planted, table

from brainbench import UsageError
from brainbench.plot import Picture, Voxels, layer_maps, r2_maps, save


def named(name: str, part: Voxels) -> Voxels:
    return replace(part, title=f"{name}, factortopy, subject 1")


def texts(figure: Picture) -> list[str]:
    return [text.get_text() for text in figure.texts]


def colours(figure: Picture, panel: int) -> np.ndarray:
    """Of the picture of the left side in a small map."""
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    return np.asarray(images[2 * panel])[..., :3]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4, 7])
def test_every_backbone_has_a_map_under_its_name(count: int, tmp_path: Path) -> None:
    several = [named(f"net{i}/mini", planted()) for i in range(count)]
    for draw in (layer_maps, r2_maps):
        figure = draw(several)
        told = texts(figure)
        assert f"{count} backbones, factortopy, subject 1" in told[0]
        assert [text for text in told if text.endswith("/mini")] == [f"net{i}/mini" for i in range(count)]
        assert any("Simulated brain" in text for text in told)
        save(figure, tmp_path / "a.png")


def test_maps_of_what_differs_differ_and_of_the_same_are_the_same() -> None:
    figure = layer_maps([named("a", planted()), named("b", planted()), named("c", planted(flat=True))])
    assert np.array_equal(colours(figure, 0), colours(figure, 1))
    assert not np.array_equal(colours(figure, 0), colours(figure, 2))


def test_r2_has_one_scale_for_all() -> None:
    good = planted()
    poor = replace(good, r2=np.asarray(good.r2) / 10)
    figure = r2_maps([named("good", good), named("poor", poor)])
    assert colours(figure, 1).sum() < colours(figure, 0).sum()


def test_what_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match="not the same voxels of the same subjects"):
        layer_maps([named("a", planted()), named("b", replace(planted(), rois={}))])
    with pytest.raises(UsageError, match="no mesh to draw small maps on; draw one backbone at a time"):
        layer_maps([named("a", table()), named("b", table())])
    with pytest.raises(UsageError, match="give at least one record"):
        r2_maps([])
