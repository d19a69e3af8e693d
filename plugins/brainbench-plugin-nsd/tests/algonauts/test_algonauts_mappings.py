from __future__ import annotations

import builtins
import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brainbench_nsd.algonauts.mappings import read_mapping

from brainbench import DataError

NAMES = {0: "Unknown", 1: "V1v", 2: "V1d"}


def save(path: Path, content: Any, protocol: int = 4, old: bool = False) -> Path:
    """As numpy.save does; old: with the module names of numpy 1, which the release was written with."""
    array = np.array(content, dtype=object)
    pickled = pickle.dumps(array, protocol)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": array.shape})
        file.write(pickled.replace(b"numpy._core.", b"numpy.core.") if old else pickled)
    return path


def test_what_numpy_saved_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "mapping.npy", NAMES, allow_pickle=True)
    assert read_mapping(tmp_path / "mapping.npy") == NAMES


def test_what_an_older_numpy_saved_is_read_without_a_warning(tmp_path: Path) -> None:
    path = save(tmp_path / "mapping.npy", NAMES, protocol=3, old=True)
    assert b"numpy.core.multiarray" in path.read_bytes()
    assert read_mapping(path) == NAMES


def test_numpy_scalars_are_known(tmp_path: Path) -> None:
    names = {np.int64(0): "Unknown", np.int32(7): np.str_("hV4")}
    found = read_mapping(save(tmp_path / "mapping.npy", names))
    assert found == {0: "Unknown", 7: "hV4"}
    assert all(type(number) is int and type(name) is str for number, name in found.items())


class Hostile:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("function", [os.system, subprocess.call])
@pytest.mark.parametrize("where", ["value", "key", "whole"])
def test_a_hostile_pickle_runs_nothing(function: Any, where: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    bad = Hostile(function, f"touch {marker}" if function is os.system else ["touch", str(marker)])
    content = {"value": {0: "Unknown", 1: bad}, "key": {bad: "V1v"}, "whole": bad}[where]
    path = save(tmp_path / "mapping.npy", content)
    with pytest.raises(
        DataError, match=r"mapping\.npy asks for \w+\.\w+, which no mapping needs: nothing of it was run"
    ) as error:
        read_mapping(path)
    assert "\n" not in str(error.value)
    assert not marker.exists()
    with path.open("rb") as file:  # it does run where nobody holds it back
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        pickle.load(file)
    assert marker.exists()


@pytest.mark.parametrize("function", [builtins.eval, builtins.getattr, np.load, np.frombuffer, np.array])
def test_no_other_name_is_known(function: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "mapping.npy", {1: Hostile(function, "1")})
    with pytest.raises(DataError, match=rf"asks for \S*\.{function.__name__}, which no mapping needs"):
        read_mapping(path)


@pytest.mark.parametrize("content", [["V1v"], {1.5: "V1v"}, {1: 2}, {"V1v": 1}, 3])
def test_what_is_no_mapping_is_refused(content: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not a dict of whole numbers and ROI names: take it from the archive"):
        read_mapping(save(tmp_path / "mapping.npy", content))


def test_damage_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "mapping.npy", NAMES)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"mapping\.npy is damaged or no mapping"):
        read_mapping(path)
    path.write_text("0 Unknown")
    with pytest.raises(DataError, match=r"mapping\.npy is damaged or no mapping"):
        read_mapping(path)
    with pytest.raises(DataError, match=r"nothing\.npy cannot be read: No such file"):
        read_mapping(tmp_path / "nothing.npy")
