from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from brainbench.builtin.datasets.demo.backdrops import SCENE_CLASSES
from brainbench.builtin.datasets.demo.scenes import CLASSES, MIN_VISIBLE, Scene, scene
from brainbench.builtin.datasets.demo.shapes import CATEGORIES


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene(3, index) for index in range(600)]


def test_the_same_arguments_give_the_same_bytes() -> None:
    first, second = scene(7, 11), scene(7, 11)
    assert first.image.tobytes() == second.image.tobytes()
    assert first.mask.tobytes() == second.mask.tobytes()
    assert (first.caption, first.objects) == (second.caption, second.objects)


def test_another_seed_or_index_gives_another_scene() -> None:
    assert len({scene(*pair).image.tobytes() for pair in [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2**33)]}) == 5


@pytest.mark.slow
def test_image_and_mask_have_the_promised_form(scenes: list[Scene]) -> None:
    for s in scenes[:50]:
        assert s.image.shape == (64, 64, 3)
        assert s.mask.shape == (64, 64)
        assert s.image.dtype == s.mask.dtype == np.uint8
        assert s.mask.max() < len(CLASSES)


def test_the_mask_counts_what_the_objects_say(scenes: list[Scene]) -> None:
    for s in scenes:
        for name in CATEGORIES:
            named = sum(thing.pixels for thing in s.objects if thing.category == name)
            shown = int((s.mask == CLASSES.index(name)).sum())
            # What shows less than MIN_VISIBLE stays in the mask without being named; there are three objects at most.
            assert named <= shown < named + 3 * MIN_VISIBLE


def test_objects_are_named_from_near_to_far(scenes: list[Scene]) -> None:
    assert all(a.size >= b.size for s in scenes for a, b in zip(s.objects, s.objects[1:], strict=False))


def test_captions_say_what_is_shown(scenes: list[Scene]) -> None:
    for s in scenes:
        assert s.scene_class in s.caption
        assert [word for word in s.caption.replace(",", "").split() if word in CATEGORIES] == [
            thing.category for thing in s.objects
        ]


def test_every_class_and_category_turns_up_often(scenes: list[Scene]) -> None:
    for name in SCENE_CLASSES:
        assert 60 < sum(s.scene_class == name for s in scenes) < 140
    for name in CATEGORIES:
        assert 100 < sum(any(t.category == name for t in s.objects) for s in scenes) < 300


def test_categories_differ_in_shape_but_not_in_colour(scenes: list[Scene]) -> None:
    colours, shapes, names = [], [], []
    for s in scenes:
        if len(s.objects) != 1 or s.objects[0].pixels < 100:
            continue
        figure = s.mask == CLASSES.index(s.objects[0].category)
        rows, columns = np.nonzero(figure)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        filled = figure.sum() / (height * width)
        rim = sum(np.abs(np.diff(figure.astype(int), axis=k)).sum() for k in (0, 1)) / np.sqrt(figure.sum())
        colours.append(s.image[figure].mean(axis=0))
        shapes.append([height / width, filled, rim, s.image[figure].std()])
        names.append(s.objects[0].category)
    assert len(names) > 100
    chance = max(names.count(name) for name in CATEGORIES) / len(names)
    assert _accuracy(np.array(colours), names) < chance + 0.12
    assert _accuracy(np.array(shapes), names) > 0.6


def _accuracy(features: np.ndarray, names: list[str]) -> float:
    scaled = StandardScaler().fit_transform(features)
    return float(cross_val_score(LogisticRegression(max_iter=2000), scaled, names, cv=4).mean())
