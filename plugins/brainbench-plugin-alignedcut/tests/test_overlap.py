from __future__ import annotations

import math

import numpy as np
import pytest
from brainbench_alignedcut.overlap import confusion, ious, miou
from sklearn.metrics import confusion_matrix, jaccard_score


@pytest.mark.parametrize("seed", range(5))
def test_miou_is_the_macro_jaccard_score(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Of six classes, some are only said, some only true, and the last is neither.
    truth, said = rng.choice([0, 1, 3], 300), rng.choice([0, 1, 2, 4], 300)
    counts = confusion(truth.astype(np.uint8), said, 6)
    np.testing.assert_array_equal(counts, confusion_matrix(truth, said, labels=range(6)))
    assert miou(counts) == pytest.approx(jaccard_score(truth, said, average="macro"))


def test_equal_label_maps_overlap_wholly_and_nothing_has_no_figure() -> None:
    truth = np.array([0, 2, 2, 1])
    assert miou(confusion(truth, truth, 5)) == 1
    assert math.isnan(miou(np.zeros((3, 3), int)))


def test_every_class_with_every_label() -> None:
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 3, 50), rng.integers(0, 2, 50)
    found = ious(confusion(truth, said, 4))
    for a in range(4):
        for b in range(4):
            union = ((truth == a) | (said == b)).sum()
            assert found[a, b] == pytest.approx(((truth == a) & (said == b)).sum() / union if union else 0)
