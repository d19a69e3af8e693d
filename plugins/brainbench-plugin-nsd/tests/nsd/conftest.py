"""Small simulated downloads for all tests, copied where a test spoils them; nothing of the person's own is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from brainbench_nsd.nsd.card import NSD

Load = Callable[..., Any]
_SMALL = {"subjects": 2, "sessions": 3, "trials": 40, "images": 60, "vertices_kept": 40, "order": 2, "size": 16}


def make(folder: Path, **given: Any) -> Path:
    defaults = {setting.name: setting.default for setting in NSD.maker_settings}
    NSD.maker(folder=folder, settings=defaults | _SMALL | given)
    return folder


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("NILEARN_DATA", "NILEARN_SHARED_DATA", "SUBJECTS_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects, 3 sessions of 40 trials, 162 vertices a side of which 40 are kept; not to be written to."""
    return make(tmp_path_factory.mktemp("made") / "nsd")


@pytest.fixture(scope="session")
def made_volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in the 1.8 mm volume, as .hdf5; not to be written to."""
    return make(tmp_path_factory.mktemp("made") / "nsd", space="func1pt8mm")


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of the surface download that may be spoilt."""
    return Path(shutil.copytree(made, tmp_path / "nsd"))


@pytest.fixture
def volume(made_volume: Path, tmp_path: Path) -> Path:
    """A copy of the volume download that may be spoilt."""
    return Path(shutil.copytree(made_volume, tmp_path / "nsd"))


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """``load(root, **settings)``: the dataset."""

    def opened(data: Path, **given: Any) -> Any:
        return NSD.loader(settings=NSD.own_settings(given), data=data, cache=tmp_path / "cache")

    return opened


@pytest.fixture
def maker() -> Callable[..., Path]:
    """``maker(folder, **settings)``: another download."""
    return make
