from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brainbench import DataError
from brainbench.datasets import ArraySource, Measured, ZScored, screen

ROWS = 40


def measured(values: np.ndarray) -> Measured:
    split = np.array(["train"] * 24 + ["val"] * 8 + ["test"] * 8)
    return Measured("1", ArraySource("key", Path("responses.npy"), (values,)), np.arange(ROWS), split)


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, 5)).astype(np.float32)


@pytest.mark.parametrize("code", [-9999, -999, 9999, 99999, 1e12, 1e20, 9.969e36, -3.4e38, -(2.0**31), -32768, 65535])
@pytest.mark.parametrize("rows", [[0], [3, 30, 39]])
def test_a_code_for_missing_drops_its_voxel_and_is_named(
    values: np.ndarray, code: float, rows: list[int], tmp_path: Path
) -> None:
    values[rows, 2] = code
    found = screen(measured(values), tmp_path)
    assert found.dropped == (2,)
    told = f"{np.float32(code):g}".replace("+", r"\+")
    assert (
        f"dropped 1 of 5 voxels: 1 with a value that stands for a missing one ({told} in voxel 2)".replace(r"\+", "+")
        in found.notes
    )


@pytest.mark.parametrize("scale", [1e-13, 300.0, 1e10, 1e12, 1e20])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_units_are_not_codes(values: np.ndarray, scale: float, offset: float, tmp_path: Path) -> None:
    assert screen(measured(values * scale + offset * scale), tmp_path).dropped == ()


def test_a_code_within_the_range_is_a_measurement(values: np.ndarray, tmp_path: Path) -> None:
    values *= 3000
    values[5, 1] = 9999
    assert screen(measured(values), tmp_path).dropped == ()


def test_z_scores_do_not_hide_a_code(values: np.ndarray, tmp_path: Path) -> None:
    values[7, 3] = -9999
    one = measured(values)
    found = screen(replace(one, source=ZScored(one.source, ["a"] * ROWS)), tmp_path)
    assert found.dropped == (3,)
    assert "-9999 in voxel 3" in found.notes[0]


def test_codes_everywhere_leave_no_voxel(values: np.ndarray, tmp_path: Path) -> None:
    values[0] = -9999
    with pytest.raises(
        DataError, match=r"no voxel is left of 5: .*5 with a value that stands for a missing one \(-9999"
    ):
        screen(measured(values), tmp_path)
