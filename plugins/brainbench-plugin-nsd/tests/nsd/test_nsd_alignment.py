"""What is planted in the responses to known images comes back, whatever the files; and not when rows are shifted by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def _content(stimuli: Any) -> np.ndarray:
    """[S, 192] colours of 8 x 8 places, read from the images that the dataset gives."""
    pixels = np.stack([np.asarray(stimuli.open(i).resize((8, 8), 4)) for i in range(len(stimuli))])
    return pixels.reshape(len(pixels), -1) / 128 - 1


def _explained(content: np.ndarray, responses: Any, values: np.ndarray) -> float:
    """Median over voxels of R2 on the test rows, of a least-squares fit to the others."""
    features = np.c_[content[responses.stimulus], np.ones(len(values))]
    test = responses.split == "test"
    weights, *_ = np.linalg.lstsq(features[~test], values[~test], rcond=None)
    left = np.square(values[test] - features[test] @ weights).sum(axis=0)
    return float(np.median(1 - left / np.square(values[test] - values[test].mean(axis=0)).sum(axis=0)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "given"),
    [
        ({}, {}),
        ({}, {"repeats": "average", "split": "shared1000"}),
        ({"space": "func1pt8mm"}, {"space": "func1pt8mm"}),
        ({"space": "func1pt8mm", "volume": "nii.gz"}, {"space": "func1pt8mm", "zscore": False}),
    ],
)
def test_responses_belong_to_their_images(
    made: dict[str, Any], given: dict[str, Any], tmp_path: Path, maker: Callable[..., Path], load: Callable[..., Any]
) -> None:
    sizes = {"subjects": 1, "sessions": 6, "trials": 200, "images": 400, "vertices_kept": 20}
    dataset = load(maker(tmp_path / "nsd", **sizes, **made), **given)
    responses, content = dataset.responses("1"), _content(dataset.stimuli("1"))
    assert len(responses.values) == (400 if given.get("repeats") == "average" else 1200)
    values = responses.values.astype(np.float64)
    if given.get("zscore") is False:  # sessions differ in mean and scale
        values = np.concatenate([(s - s.mean(axis=0)) / s.std(axis=0) for s in np.split(values, 6)])
    assert _explained(content, responses, values) > 0.3
    assert _explained(content, responses, np.roll(values, 1, axis=0)) < 0.05
