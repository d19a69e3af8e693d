"""Small simulated releases of both sets, copied where a test spoils one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from brainbench_alignedcut.datasets.cards import IMAGENET_SEGMENTATION, VOC2012

from brainbench import DatasetCard

Load = Callable[..., Any]


def make(card: DatasetCard, folder: Path, **given: Any) -> Path:
    assert card.maker is not None
    card.maker(folder=folder, settings={setting.name: setting.default for setting in card.maker_settings} | given)
    return folder


@pytest.fixture(scope="session")
def made_voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images of val and four of train, 40 x 30 pixels; not to be written to."""
    return make(VOC2012, tmp_path_factory.mktemp("made") / "VOC2012", images=6, train_images=4, width=40, height=30)


@pytest.fixture(scope="session")
def made_imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five images of 40 x 30 pixels; not to be written to."""
    return make(IMAGENET_SEGMENTATION, tmp_path_factory.mktemp("made") / "segments", images=5, width=40, height=30)


@pytest.fixture
def voc(made_voc: Path, tmp_path: Path) -> Path:
    """A copy that may be spoilt."""
    return Path(shutil.copytree(made_voc, tmp_path / "VOC2012"))


@pytest.fixture
def imagenet(made_imagenet: Path, tmp_path: Path) -> Path:
    """A copy that may be spoilt."""
    return Path(shutil.copytree(made_imagenet, tmp_path / "segments"))


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """``load(card, root, **settings)``: the dataset."""

    def opened(card: DatasetCard, data: Path | None, **given: Any) -> Any:
        return card.loader(settings=card.own_settings(given), data=data, cache=tmp_path / "cache")

    return opened


@pytest.fixture
def maker() -> Callable[..., Path]:
    """``maker(card, folder, **settings)``: another release."""
    return make
