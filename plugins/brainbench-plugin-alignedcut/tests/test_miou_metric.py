from __future__ import annotations

from typing import Any

import memory
import numpy as np
import pytest
from brainbench_alignedcut import miou
from brainbench_alignedcut.plugin import METRICS
from brainbench_alignedcut.segmentation import across_halves
from sklearn.metrics import jaccard_score

from brainbench import DataError, Features, Masks, Metric, MetricInputs, Score

CARDS = {card.name: card for card in METRICS}
NAMES = ("ground", "cat", "dog", "nothing")
N, SIDE = 30, 6


def labels(seed: int = 0, images: int = N) -> np.ndarray:
    """[images, 6, 6], most of them ground."""
    return np.random.default_rng(seed).choice(np.arange(3, dtype=np.uint8), (images, SIDE, SIDE), p=[0.6, 0.25, 0.15])


def masks(truth: np.ndarray, pixels: int = 4) -> Masks:
    return Masks(NAMES, lambda index: np.kron(truth[index], np.ones((pixels, pixels), np.uint8)))


def perfect(truth: np.ndarray) -> np.ndarray:
    """[n, 4, H, W] float16, a channel a class."""
    return np.eye(4, dtype=np.float16)[truth].transpose(0, 3, 1, 2)


def noise(seed: int, channels: int = 8, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(N, channels, side, side)).astype(np.float16)


def score(layers: list[np.ndarray], of: Masks, *, card: str = "miou", seed: int = 0, **settings: Any) -> Score:
    metric: Metric = CARDS[card].loader(settings=CARDS[card].resolve_settings(settings))
    features: Features = memory.memory_features(layers)
    if card == "miou":
        return metric.score(MetricInputs(features=features, masks=of, seed=seed))
    return metric.score(MetricInputs(aligned=features, masks=of, seed=seed))


@pytest.mark.parametrize("card", ["miou", "miou/aligned"])
@pytest.mark.parametrize("sample", [2000, 200])
def test_perfect_features_give_exactly_one(card: str, sample: int) -> None:
    truth = labels()
    result = score([noise(0), perfect(truth)], masks(truth), card=card, sample=sample)
    values = result.values
    assert values["best"] == values["clusters"] == values["layer:block1"] == values["clusters:block1"] == 1
    assert values["layer:block0"] < 0.5
    assert list(values) == [
        "best", "clusters", "chance", "clusters_chance",
        "layer:block0", "layer:block1", "clusters:block0", "clusters:block1",
    ]  # fmt: skip
    assert set(CARDS[card].columns) == set(list(values)[:4])


def test_noise_is_at_the_chance_that_is_printed() -> None:
    truth = labels()
    # Each of another seed; the spread of them is that of the chance too.
    found = score([noise(seed) for seed in range(10, 22)], masks(truth), sample=300).values
    for prefix, chance in (("layer:", "chance"), ("clusters:", "clusters_chance")):
        layers = [value for name, value in found.items() if name.startswith(prefix)]
        assert len(layers) == 12
        assert abs(found[chance] - np.mean(layers)) < 3 * np.std(layers)
        assert np.std(layers) < 0.03
    assert abs(found["best"] - found["chance"]) < 0.05


def test_chance_is_of_other_noise_than_anything_else() -> None:
    truth = labels()
    one, other = score([noise(1)], masks(truth)).values, score([noise(2)], masks(truth)).values
    assert one["chance"] == other["chance"]
    assert one["layer:block0"] != one["chance"]
    assert score([noise(1)], masks(truth), seed=1).values["chance"] != one["chance"]


def test_the_best_layer_is_chosen_on_the_other_half() -> None:
    assert across_halves([[0.9, 0.1], [0.2, 0.3]]) == pytest.approx((0.1 + 0.2) / 2)
    assert across_halves([[0.5, 0.7]]) == pytest.approx(0.6)
    assert across_halves([[0.5, float("nan")]]) is None


@pytest.mark.parametrize("images", [2, 7, 50])
def test_halves_share_no_image_and_leave_none_out(images: int) -> None:
    second = miou._second_half(images, 0)
    assert second.sum() == images // 2
    assert len(second) == images
    if images > 2:
        assert (second != miou._second_half(images, 1)).any()


def test_halves_are_images_and_not_tokens() -> None:
    """A layer that is right about one half alone is scored on the other, where it is noise."""
    truth = labels()
    second = miou._second_half(N, 0)
    layers = [np.where(half[:, None, None, None], perfect(truth), noise(3, 4)) for half in (second, ~second)]
    values = score(layers, masks(truth)).values
    assert values["best"] < 0.6
    assert min(values["layer:block0"], values["layer:block1"]) > values["best"]


def test_layers_are_scored_each_at_its_own_grid() -> None:
    coarse = labels()
    fine = np.kron(coarse, np.ones((1, 2, 2), np.uint8))
    values = score([perfect(coarse), perfect(fine), noise(0, 8, 12)], masks(coarse)).values
    assert values["layer:block0"] == values["layer:block1"] == 1 > values["layer:block2"]


def test_void_tokens_are_ignored() -> None:
    truth = labels()
    void = truth.copy()
    void[:, 0] = 255
    wrong = perfect(truth).copy()
    wrong[:, :, 0] = noise(0, 4)[:, :, 0]
    assert score([wrong], masks(void)).values["layer:block0"] == 1
    assert score([wrong], masks(truth)).values["layer:block0"] < 1


def test_figure_against_ground() -> None:
    truth = labels()
    figure = np.minimum(truth, 1)
    assert score([perfect(figure)], masks(truth), classes="figure").values["best"] == 1
    assert score([perfect(figure)], masks(truth)).values["best"] < 0.9


def test_a_figure_is_the_jaccard_score_of_all_images_together(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = labels()
    said = np.random.default_rng(5).integers(0, 3, truth.size)
    monkeypatch.setattr("brainbench_alignedcut.oracle.by_centres", lambda vectors, truth: said)
    values = score([noise(0)], masks(truth)).values
    assert values["layer:block0"] == pytest.approx(jaccard_score(truth.ravel(), said, average="macro"))
    halves = [jaccard_score(truth[h].ravel(), said.reshape(truth.shape)[h].ravel(), average="macro")
              for half in [miou._second_half(N, 0)] for h in (half, ~half)]  # fmt: skip
    assert values["best"] == pytest.approx(np.mean(halves))


def test_fewer_images_are_drawn_with_the_seed_and_noted() -> None:
    truth = labels()
    features = memory.memory_features([perfect(truth)])
    metric = CARDS["miou"].loader(settings=CARDS["miou"].resolve_settings({"images": 9}))
    result = metric.score(MetricInputs(features=features, masks=masks(truth), seed=4))
    assert len(features.rows_read) == 9
    assert "on 9 of 30 images, drawn with seed 4; miou.images takes more" in result.notes
    assert miou._draw(30, 9, 4).tolist() == sorted(features.rows_read) != miou._draw(30, 9, 5).tolist()


def test_notes_say_what_is_missing_and_what_the_paper_does() -> None:
    truth = labels()
    notes = score([perfect(truth), noise(0)], masks(truth)).notes
    assert any(note.startswith("the best layer is chosen on one half of the images") for note in notes)
    assert "in no mask, and left out of the mean: nothing" in notes
    assert any("eigenvectors" in note and note.endswith("(block0)") for note in notes)
    assert not any("best layer" in note for note in score([noise(0)], masks(truth)).notes)


def test_one_image_has_a_curve_but_no_best_layer() -> None:
    truth = labels(images=1)
    result = score([perfect(truth)], masks(truth))
    assert result.values["layer:block0"] == 1
    assert not {"best", "clusters"} & result.values.keys()
    assert "one image has no halves: no best layer is chosen" in result.notes


def test_identical_features_are_no_better_than_one_class() -> None:
    truth = labels()
    result = score([np.ones((N, 3, SIDE, SIDE), np.float16)], masks(truth))
    ground = (truth == 0).mean()
    assert result.values["layer:block0"] == pytest.approx(ground / 3)
    assert any("eigenvectors" in note for note in result.notes)


@pytest.mark.parametrize(("value", "what"), [(0, "ground alone"), (255, "no class"), (1, "cat alone")])
def test_masks_of_one_class_tell_nothing(value: int, what: str) -> None:
    result = score([noise(0)], masks(np.full((N, SIDE, SIDE), value, np.uint8)))
    assert result.not_applicable == f"the masks show {what}: nothing to tell apart"
    assert not result.values


def test_a_layer_on_whose_grid_one_class_is_left_has_no_figure_and_the_others_have_theirs() -> None:
    truth = labels()
    whole = score([noise(0), perfect(truth)], masks(truth))
    # On a single token the most frequent class is the ground in every image.
    result = score([noise(0), noise(1, 8, 1), perfect(truth)], masks(truth))
    assert result.values["layer:block2"] == result.values["best"] == 1
    assert "layer:block1" not in result.values
    assert result.values["chance"] == whole.values["chance"]
    assert "left out, since on 1 x 1 tokens the masks show ground alone: block1" in result.notes


def test_features_that_are_not_finite_name_their_layer() -> None:
    truth = labels()
    bad = noise(0).copy()
    bad[3, 0, 2, 2] = np.nan
    with pytest.raises(DataError, match=r"^layer block1: .*NaN[^\n]*$"):
        score([noise(1), bad], masks(truth))


def test_chance_is_that_of_the_widest_layer_of_the_largest_grid() -> None:
    truth = labels()
    thin, wide, coarse = noise(0, 1), noise(1, 8), noise(2, 16, 3)
    chance = {name: score([wide], masks(truth)).values[name] for name in ("chance", "clusters_chance")}
    found = score([thin, coarse, wide], masks(truth)).values
    assert {name: found[name] for name in chance} == chance
