"""One small simulated release for all tests, copied where a test spoils it; nothing of the person's own is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from brainbench_nsd.algonauts.card import ALGONAUTS2023

Load = Callable[..., Any]


def make(folder: Path, **given: Any) -> Path:
    settings = {setting.name: setting.default for setting in ALGONAUTS2023.maker_settings}
    ALGONAUTS2023.maker(folder=folder, settings=settings | given)
    return folder


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("NILEARN_DATA", "NILEARN_SHARED_DATA", "SUBJECTS_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects, 60 images, 190 + 205 vertices, without a surface; not to be written to."""
    return make(tmp_path_factory.mktemp("made") / "release", subjects=2, surface=False, size=16)


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of it that may be spoilt."""
    return Path(shutil.copytree(made, tmp_path / "release"))


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """``load(root, **settings)``: the dataset."""

    def opened(data: Path, **given: Any) -> Any:
        return ALGONAUTS2023.loader(settings=ALGONAUTS2023.own_settings(given), data=data, cache=tmp_path / "cache")

    return opened


@pytest.fixture
def maker() -> Callable[..., Path]:
    """``maker(folder, **settings)``: another release."""
    return make
