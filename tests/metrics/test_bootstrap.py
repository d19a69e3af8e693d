from __future__ import annotations

import numpy as np
import pytest

from brainbench.metrics.bootstrap import DRAWS, packed, resamples, unpacked

IDS = [f"image{i:03d}" for i in range(50)]


def counts(ids: list[str]) -> np.ndarray:
    found = resamples(ids)
    assert found is not None
    return found


def test_images_are_drawn_with_replacement() -> None:
    found = counts(IDS)
    assert found.shape == (DRAWS, 50)
    assert set(found.sum(axis=1)) == {50}
    # Multinomial: mean 1, variance 1 - 1/N.
    np.testing.assert_allclose(found.mean(axis=0), 1, atol=0.15)
    np.testing.assert_allclose(found.var(axis=0).mean(), 1 - 1 / 50, atol=0.03)


def test_the_draws_follow_the_names_and_not_their_order() -> None:
    order = np.random.default_rng(0).permutation(50)
    np.testing.assert_array_equal(counts([IDS[i] for i in order]), counts(IDS)[:, order])
    assert not np.array_equal(counts([f"other{i}" for i in range(50)]), counts(IDS))


def test_trials_of_one_image_come_together() -> None:
    found = counts(IDS + IDS[:5])
    np.testing.assert_array_equal(found[:, :50], counts(IDS))
    np.testing.assert_array_equal(found[:, 50:], found[:, :5])


def test_a_handful_of_images_is_not_resampled() -> None:
    assert resamples(IDS[:9]) is None
    assert resamples(IDS[:9] * 3) is None
    assert resamples(IDS[:10]) is not None


def test_packing_keeps_a_part_in_two_thousand() -> None:
    deviations = np.random.default_rng(0).normal(0, 0.01, DRAWS)
    np.testing.assert_allclose(unpacked(packed(deviations)), deviations, rtol=6e-4, atol=1e-7)
    assert len(packed(deviations)) < 2700


@pytest.mark.parametrize(("text", "message"), [("AAAA", "1 draws|buffer size"), ("?", "base64|padding|Only")])
def test_what_is_no_packing_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpacked(text)
