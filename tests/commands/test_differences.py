from __future__ import annotations

import pytest

from brainbench.commands.verify import differences


@pytest.mark.parametrize(
    ("stored", "found", "expected"),
    [
        ({"a": 0.5, "b": [1.0, {"c": "x"}]}, {"a": 0.5, "b": [1.0, {"c": "x"}]}, []),
        ({"a": 0.5}, {"a": 0.5 + 4e-7}, []),
        ({"a": 0.5}, {"a": 0.5 + 6e-7}, ["m.a"]),
        ({"a": 0.0}, {"a": 5e-10}, []),
        ({"a": 0.0}, {"a": 2e-9}, ["m.a"]),
        ({"n": 10_000_000}, {"n": 10_000_001}, ["m.n"]),
        ({"a": 1.0}, {}, ["m.a"]),
        ({}, {"a": 1.0, "b": 2.0}, ["m.a", "m.b"]),
        ({"b": [1.0, 2.0]}, {"b": [1.0, 3.0]}, ["m.b[1]"]),
        ({"b": [1.0]}, {"b": [1.0, 2.0]}, ["m.b"]),
        ({"t": "so"}, {"t": "not so"}, ["m.t"]),
    ],
)
def test_every_leaf_that_differs_is_named_once(stored: object, found: object, expected: list[str]) -> None:
    assert [name for name, _, _ in differences(stored, found, "m")] == expected


def test_both_sides_are_told() -> None:
    assert list(differences({"a": 1.0}, {"a": None}, "m")) == [("m.a", 1.0, None)]
