from __future__ import annotations

from pathlib import Path

import pytest

from brainbench import StoreError
from brainbench.plugins import BlamedError, Plugin
from brainbench.util.folders import default_cache


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    for name in ("BRAINBENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("homeless")
def test_without_a_home_folder_the_cache_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="no home folder to keep a cache in: set BRAINBENCH_CACHE"):
        default_cache()
    monkeypatch.setenv("BRAINBENCH_CACHE", "/somewhere")
    assert default_cache() == Path("/somewhere")


@pytest.mark.usefixtures("homeless")
def test_without_a_home_folder_a_failure_is_told_as_any_other() -> None:
    failed = BlamedError(Plugin("p", "p-dist", "1"), "fit", ValueError("no"))
    assert str(failed.failure()) == "p-dist 1 failed at fit: ValueError: no"
