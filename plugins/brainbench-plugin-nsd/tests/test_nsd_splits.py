from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np
from brainbench_nsd.splits import split_by_image


def test_no_image_is_on_two_sides_in_any_subject() -> None:
    rng = np.random.default_rng(0)
    for design in range(100):
        sides: dict[int, set[str]] = defaultdict(set)
        for _ in range(3):
            nsd = rng.integers(0, 80, 120).tolist()  # repeats within a subject, and shared between them
            split = split_by_image(nsd, [f"content of {number}" for number in nsd], design)
            for number, side in zip(nsd, split.tolist(), strict=True):
                sides[number].add(side)
        assert all(len(found) == 1 for found in sides.values())


def test_neither_a_number_nor_a_content_is_on_two_sides_though_they_cross() -> None:
    rng = np.random.default_rng(1)
    for design in range(100):
        nsd, content = rng.integers(0, 200, 150).tolist(), rng.integers(0, 200, 150).tolist()
        split = split_by_image(nsd, [str(one) for one in content], design).tolist()
        for labels in (nsd, content):
            sides: dict[int, set[str]] = defaultdict(set)
            for label, side in zip(labels, split, strict=True):
                sides[label].add(side)
            assert all(len(found) == 1 for found in sides.values())


def test_shares_and_sides_are_those_of_the_hash() -> None:
    nsd = list(range(20_000))
    split = split_by_image(nsd, [str(number) for number in nsd], 7)
    assert abs((split == "test").mean() - 0.1) < 0.01
    assert abs((split == "val").mean() - 0.1) < 0.01
    for number in range(0, 20_000, 1_111):
        share = int(hashlib.sha256(f"7:{number}".encode()).hexdigest(), 16) / 2**256
        assert split[number] == ("test" if share < 0.1 else "val" if share < 0.2 else "train")
    assert (split != split_by_image(nsd, [str(number) for number in nsd], 8)).any()
