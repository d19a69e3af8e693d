"""Labelled images: every layout in all its places, what bad input gets, and the generated tasks."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brainbench import DataError, DatasetCard
from brainbench.builtin.datasets.labelled import layouts
from brainbench.builtin.datasets.labelled.cards import (
    EUROSAT,
    ISIC_2018,
    ISIC_2019,
    LABELLED,
    LABELS,
    MEDMNIST,
    PLACE,
    TEXTURE,
)
from brainbench.commands.data_check import inspect, recognise
from brainbench.registry import installed
from brainbench.testing import DatasetCase, DatasetContract
from brainbench.util.progress import Silent

pytestmark = pytest.mark.slow

SMALL = {"images": 4, "size": 16, "seed": 0}


def opened(card: DatasetCard, data: Path | None, tmp_path: Path, **settings: Any) -> Any:
    return card.loader(settings=card.own_settings(settings), data=data, cache=tmp_path / "cache")


def made(card: DatasetCard, folder: Path) -> Path:
    folder.mkdir()
    assert card.maker is not None
    card.maker(folder=folder, settings=SMALL)
    return folder


@cache
def generated(card: DatasetCard) -> DatasetCase:
    return DatasetCase(card, {"images": 60})


class TestPlace(DatasetContract):
    @pytest.fixture
    def case(self) -> DatasetCase:
        return generated(PLACE)


class TestTexture(DatasetContract):
    @pytest.fixture
    def case(self) -> DatasetCase:
        return generated(TEXTURE)


@pytest.mark.parametrize("card", [one for one in LABELLED if one.maker], ids=lambda card: card.name)
def test_what_is_made_is_recognised_and_read(card: DatasetCard, tmp_path: Path) -> None:
    folder = made(card, tmp_path / "made")
    assert recognise(folder, None, installed()).name == card.name
    assert card.contents is not None
    assert all(part.there for part in card.contents(data=folder, settings={}))
    dataset = opened(card, folder, tmp_path)
    labels, stimuli = dataset.labels("all"), dataset.stimuli("all")
    assert set(Counter(labels.values.tolist()).values()) == {4}
    assert stimuli.open(0).size == (16, 16)
    assert dataset.responses("all") is None
    assert opened(card, folder, tmp_path).version == dataset.version


@pytest.mark.parametrize("place", layouts.EUROSAT_PLACES[:5])
def test_eurosat_is_read_from_all_its_roots(place: str, tmp_path: Path) -> None:
    source = made(EUROSAT, tmp_path / "made") / "eurosat" / "2750"
    root = tmp_path / "root"
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    source.rename(root / place)
    dataset = opened(EUROSAT, root, tmp_path)
    assert dataset.labels("all").classes == layouts.EUROSAT_CLASSES
    assert dataset.stimuli("all").ids[0] == "AnnualCrop/AnnualCrop_1.jpg"


def test_eurosats_tifs_and_missing_classes_are_refused(tmp_path: Path) -> None:
    folder = made(EUROSAT, tmp_path / "made")
    (folder / "eurosat/2750/River").rename(tmp_path / "River")
    with pytest.raises(DataError, match="EuroSAT has ten classes; missing: River"):
        opened(EUROSAT, folder, tmp_path)
    tif = tmp_path / "ds/images/remote_sensing/otherDatasets/sentinel_2/tif"
    for name in layouts.EUROSAT_CLASSES:
        (tif / name).mkdir(parents=True)
        (tif / name / f"{name}_1.tif").write_bytes(b"13 bands")
    with pytest.raises(DataError, match="13-band tif files, which no network here reads: use the RGB set"):
        opened(EUROSAT, tmp_path, tmp_path)


def test_ham10000_is_isic_2018(tmp_path: Path) -> None:
    folder = made(ISIC_2018, tmp_path / "made")
    dataset = opened(ISIC_2018, folder, tmp_path)
    labels, ids = dataset.labels("all"), dataset.stimuli("all").ids
    assert len(set(labels.groups)) < len(ids)
    rows = [
        f"{group},{Path(name).stem},{labels.classes[value].lower()},histo"
        for name, group, value in zip(ids, labels.groups, labels.values, strict=True)
    ]
    for table in folder.glob("*.csv"):
        table.unlink()
    (folder / layouts.HAM_TABLE).write_text("\n".join(["lesion_id,image_id,dx,dx_type", *rows]) + "\n")
    again = opened(ISIC_2018, folder, tmp_path)
    assert again.version == dataset.version
    assert again.labels("all").groups == labels.groups


def test_data_check_counts_classes_and_prints_the_command_that_tunes(tmp_path: Path) -> None:
    folder = made(ISIC_2018, tmp_path / "made")
    found = inspect(folder, installed(), tmp_path / "cache", Silent(), name=None, settings=(), subjects=None)
    (subject,) = found.subjects.values()
    assert subject.labels == dict.fromkeys(layouts.ISIC_2018_CLASSES, 4)
    assert subject.groups is not None
    assert found.command == f"brainbench tune BACKBONE --on isic2018 --data {folder}"


def test_lesions_are_needed_and_labels_name_files_that_are_there(tmp_path: Path) -> None:
    folder = made(ISIC_2018, tmp_path / "made")
    next(folder.rglob("*.jpg")).unlink()
    with pytest.raises(DataError, match="has labels of images that are not in .*: ISIC_"):
        opened(ISIC_2018, folder, tmp_path)
    (folder / layouts.ISIC_2018_LESIONS).unlink()
    with pytest.raises(DataError, match="photographs of one lesion would be on both sides of the split"):
        opened(ISIC_2018, folder, tmp_path)


def test_a_photograph_of_isic_2019_without_a_lesion_is_a_group_of_its_own(tmp_path: Path) -> None:
    labels = opened(ISIC_2019, made(ISIC_2019, tmp_path / "made"), tmp_path).labels("all")
    assert any(group.startswith("ISIC_") for group in labels.groups)


def test_medmnist_keeps_its_split_and_refuses_several_labels(tmp_path: Path) -> None:
    folder = made(MEDMNIST, tmp_path / "made")
    (path,) = folder.glob("*.npz")
    labels = opened(MEDMNIST, path, tmp_path).labels("all")
    assert set(labels.split) == {"train", "val", "test"}
    with np.load(path) as content:
        arrays = dict(content)
    arrays["val_labels"] = np.zeros((len(arrays["val_labels"]), 14))
    np.savez(path, **arrays)
    with pytest.raises(DataError, match="val_labels are .*: an image needs one label, not several"):
        opened(MEDMNIST, folder, tmp_path)


def table(folder: Path, text: str, images: int = 4) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(images):
        Image.new("RGB", (8, 8), (number * 40, 0, 0)).save(folder / f"{number}.png")
    (folder / "labels.csv").write_text(text)
    return folder


def test_a_table_gives_labels_groups_and_split(tmp_path: Path) -> None:
    text = "image,label,group,split\n0.png,b,x,train\n1.png,a,x,train\n2.png,a,y,test\n3.png,b,y,test\n"
    labels = opened(LABELS, table(tmp_path / "data", text), tmp_path).labels("all")
    assert labels.classes == ("a", "b")
    assert labels.values.tolist() == [1, 0, 0, 1]
    assert labels.groups == ("x", "x", "y", "y")
    assert labels.split.tolist() == ["train", "train", "test", "test"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\n0.png,a\n1.png,a\n", r"a single class \(a\); a task needs at least two"),
        ("image,label\n0.png,a\n9.png,b\n", r"labels.csv has labels of images that are not in .*: 9.png"),
        ("image,label\n0.png,a\n0.png,b\n", r"labels.csv names 0.png more than once"),
        ("image,label,split\n0.png,a,train\n1.png,b,later\n", "split is 'later'; allowed are train, val, test"),
        ("image,label,group\n0.png,a,x\n1.png,b,\n", "group is empty; fill it in, or leave the column out"),
    ],
)
def test_what_a_bad_table_gets(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        opened(LABELS, table(tmp_path / "data", text), tmp_path)


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    folder = made(LABELS, tmp_path / "made")
    (folder / "one/one_1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"one_1.png cannot be decoded"):
        opened(LABELS, folder, tmp_path)


@pytest.mark.parametrize("card", [PLACE, TEXTURE], ids=lambda card: card.name)
def test_a_generated_task_has_six_classes_and_another_seed_other_images(card: DatasetCard, tmp_path: Path) -> None:
    labels = generated(card).dataset.labels("all")  # type: ignore[attr-defined]
    assert len(Counter(labels.values.tolist())) == 6
    other = opened(card, None, tmp_path, images=60, seed=1).stimuli("all")
    assert not {*other.digests} & {*generated(card).images["all"].digests}
