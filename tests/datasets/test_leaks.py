"""Over random designs: no image, whatever its name or how often it was shown, is in two splits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainbench import Responses
from brainbench.datasets import (
    SPLITS,
    ArraySource,
    Measured,
    automatic_split,
    given_split,
    survey,
    units,
)

DESIGNS = 200


@dataclass(frozen=True)
class Design:
    """digests, groups: [S]; rows: [R] the stimulus of each; given: [S] what somebody asked for."""

    digests: list[str]
    groups: list[str]
    rows: np.ndarray
    given: np.ndarray
    values: np.ndarray


def design(seed: int) -> Design:
    """Images alike in content, groups, groups that join such images, repeats in any order, images that were never shown."""
    rng = np.random.default_rng(seed)
    stimuli = int(rng.integers(20, 90))
    kinds = rng.integers(0, max(5, int(stimuli * rng.uniform(0.3, 4))), stimuli)
    grouped = rng.random(stimuli) < rng.choice([0, 0.3, 0.8])
    groups = rng.integers(0, max(6, stimuli // 2), stimuli)
    once = rng.permutation(stimuli)[: int(stimuli * rng.uniform(0.9, 1))]
    rows = rng.permutation(np.concatenate([once, rng.choice(once, int(stimuli * rng.uniform(0, 3)))]))
    odds = rng.dirichlet(np.ones(4))
    return Design(
        digests=[hashlib.sha256(str(kind).encode()).hexdigest() for kind in kinds],
        groups=[f"g{group}" if yes else "" for group, yes in zip(groups, grouped, strict=True)],
        rows=rows,
        given=rng.choice([*SPLITS, ""], stimuli, p=odds),
        values=rng.normal(size=(len(rows), 3)).astype(np.float32),
    )


def splits(one: Design, seed: int) -> dict[str, np.ndarray]:
    unit = units(one.digests, one.groups)
    return {
        "automatic": automatic_split(one.digests, unit, seed),
        "given": given_split(one.given, one.digests, unit, seed)[0],
    }


def surveyed(one: Design, split: np.ndarray, average: bool, cache: Path) -> Responses:
    source = ArraySource(hashlib.sha256(one.values.tobytes()).hexdigest(), Path("responses.npy"), (one.values,))
    return survey(Measured("1", source, one.rows, split[one.rows], average=average), cache)


def sides(responses: Responses, one: Design) -> pd.DataFrame:
    """One line a response row: what was seen, and the split the row is in."""
    return pd.DataFrame(
        {
            "stimulus": responses.stimulus,
            "content": np.array(one.digests)[responses.stimulus],
            "group": np.array(one.groups)[responses.stimulus],
            "split": responses.split,
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", ["automatic", "given"])
def test_no_image_is_in_two_splits(how: str, tmp_path: Path) -> None:
    looked_at = repeated = alike = 0
    for seed in range(DESIGNS):
        one = design(seed)
        split = splits(one, seed)[how]
        if (split[one.rows] == "train").sum() < 2:
            continue  # every voxel is constant over the train rows: refused elsewhere
        trials, means = (sides(surveyed(one, split, average, tmp_path), one) for average in (False, True))
        for table in (trials, means):
            assert set(table["split"]) <= set(SPLITS), seed
            assert (table.groupby("stimulus")["split"].nunique() == 1).all(), f"design {seed}: a stimulus leaks"
            assert (table.groupby("content")["split"].nunique() == 1).all(), f"design {seed}: content leaks"
            grouped = table[table["group"] != ""]
            assert (grouped.groupby("group")["split"].nunique() <= 1).all(), f"design {seed}: a group leaks"
        assert means["stimulus"].is_unique
        # Averaging moves nothing to another side.
        assert trials.groupby("stimulus")["split"].first().equals(means.set_index("stimulus")["split"].sort_index())
        looked_at += 1
        repeated += len(trials) > len(means)
        alike += trials["content"].nunique() < trials["stimulus"].nunique()
    assert looked_at > 0.8 * DESIGNS
    assert min(repeated, alike) > 0.5 * DESIGNS


def test_the_test_set_stays_as_it_was_given() -> None:
    for seed in range(DESIGNS):
        one = design(seed)
        found = splits(one, seed)["given"]
        np.testing.assert_array_equal(found == "test", one.given == "test")
        assert not ((one.given == "") & (found != "")).any(), seed
