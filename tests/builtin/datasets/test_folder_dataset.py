from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brainbench import Dataset, Responses, UsageError
from brainbench.builtin.datasets.folder.card import FOLDER
from brainbench.datasets import ledger

Load = Callable[..., Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Thirty images of noise, ten voxels."""
    place = tmp_path / "data"
    fill(place, 30, seed=0)
    return place


@pytest.fixture
def load(tmp_path: Path, root: Path) -> Load:
    def _load(**settings: Any) -> Any:
        return FOLDER.loader(settings=FOLDER.resolve_settings(settings), data=root, cache=tmp_path / "cache")

    return _load


def fill(place: Path, count: int, seed: int, voxels: int = 10) -> np.ndarray:
    noise = np.random.default_rng(seed)
    (place / "images").mkdir(parents=True)
    for index in range(count):
        pixels = noise.integers(0, 256, (6, 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / "images" / f"{index:03}.png")
    values = noise.normal(size=(count, voxels))
    np.save(place / "responses.npy", values)
    return values


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def responses(dataset: Any, subject: str = "1") -> Responses:
    found = dataset.responses(subject)
    assert isinstance(found, Responses)
    return found


def test_everything_there_is_is_read(root: Path, load: Load) -> None:
    noise = np.random.default_rng(1)
    coordinates, ceiling = noise.normal(size=(10, 3)), noise.uniform(size=10)
    np.save(root / "coordinates.npy", coordinates)
    np.save(root / "noise_ceiling.npy", ceiling)
    matrix = noise.uniform(size=(30, 30))
    np.save(root / "dissimilarities.npy", (matrix + matrix.T)[None])
    write(root / "rois.csv", "voxel,roi", "0,V1v", "1,V1d", "2,V4", "3,EBA", "3,FBA-1")
    write(root / "dataset.toml", 'name = "Mine"', 'licence = "CC0"', 'units = "beta"', "simulated = true")
    write(root / "masks" / "classes.csv", "value,name", "1,figure", "0,ground")
    for index in range(30):
        Image.fromarray(np.full((6, 5), index % 2, np.uint8)).save(root / "masks" / f"{index:03}.png")
    dataset = load()
    assert dataset.subjects == ("1",)
    assert dataset.provides == {"responses", "rois", "coordinates", "masks", "dissimilarities", "noise_ceiling"}
    assert (dataset.title, dataset.licence, dataset.units, dataset.simulated) == ("Mine", "CC0", "beta", True)
    found = responses(dataset)
    np.testing.assert_array_equal(found.values, np.load(root / "responses.npy").astype(np.float32))
    assert found.values.dtype == np.float32
    assert found.coordinates is not None
    assert found.noise_ceiling is not None
    np.testing.assert_allclose(found.coordinates, coordinates.astype(float), rtol=1e-6)
    np.testing.assert_allclose(found.noise_ceiling, ceiling.astype(float), rtol=1e-6)
    assert {name: np.flatnonzero(mask).tolist() for name, mask in found.rois.items()} == {
        "V1": [0, 1],
        "hV4": [2],
        "EBA": [3],
        "FBA-1": [3],
    }
    np.testing.assert_array_equal(dataset.dissimilarities("1"), matrix + matrix.T)
    masks = dataset.masks("1")
    assert masks.classes == ("ground", "figure")
    np.testing.assert_array_equal(masks.load(3), np.ones((6, 5), np.uint8))
    stimuli = dataset.stimuli("1")
    assert stimuli.ids == tuple(f"{index:03}.png" for index in range(30))
    np.testing.assert_array_equal(stimuli.open(4), Image.open(root / "images" / "004.png"))


def test_the_protocol_is_met(load: Load) -> None:
    assert isinstance(load(), Dataset)


def test_images_alone_are_a_dataset(root: Path, load: Load) -> None:
    (root / "responses.npy").unlink()
    dataset = load()
    assert dataset.provides == frozenset()
    assert dataset.responses("1") is None
    assert dataset.masks("1") is None
    assert dataset.dissimilarities("1") is None
    assert len(dataset.stimuli("1")) == 30
    assert dataset.title == "data"


def test_stimuli_csv_gives_the_row_order_and_repeats(root: Path, load: Load) -> None:
    order = [7, 3, 3, *range(10, 30), 7]
    write(root / "stimuli.csv", "image", *(f"{index:03}.png" for index in order))
    values = np.random.default_rng(2).normal(size=(24, 4))
    np.save(root / "responses.npy", values)
    dataset = load()
    found = responses(dataset)
    ids = dataset.stimuli("1").ids
    assert ids[:2] == ("007.png", "003.png")
    assert len(ids) == 22
    assert [ids[index] for index in found.stimulus] == [f"{index:03}.png" for index in order]
    assert found.split[0] == found.split[-1]
    np.testing.assert_array_equal(found.values, values.astype(np.float32))


def test_tables_of_spreadsheets_are_read(root: Path, load: Load) -> None:
    names = [f"{index:03}.png" for index in range(30)]
    table = "\ufeffimage, group, comment\r\n" + "".join(f'{name}, g{name},"a, b"\r\n' for name in names)
    (root / "stimuli.csv").write_bytes(table.encode())
    assert load().stimuli("1").ids == tuple(names)


def test_csv_responses_equal_npy_responses(root: Path, load: Load) -> None:
    values = np.load(root / "responses.npy")
    before = responses(load())
    (root / "responses.npy").unlink()
    lines = [",".join(map(repr, map(float, row))) for row in values]
    write(root / "responses.csv", ",".join(f"v{index}" for index in range(10)), *lines)
    after = responses(load())
    np.testing.assert_array_equal(after.values, before.values)
    assert after.key == before.key


def test_float32_responses_stay_in_their_file(root: Path, load: Load) -> None:
    np.save(root / "responses.npy", np.load(root / "responses.npy").astype(np.float32))
    found = responses(load())
    assert isinstance(found.values.base, np.memmap)
    before = (root / "responses.npy").read_bytes()
    found.values[0] = 0
    assert (root / "responses.npy").read_bytes() == before


def test_useless_voxels_are_dropped_and_counted(root: Path, load: Load) -> None:
    values = np.random.default_rng(3).normal(size=(30, 10))
    write(root / "splits.csv", "image,split", *(f"{i:03}.png,{'test' if i > 24 else 'train'}" for i in range(30)))
    values[3, 1], values[29, 4], values[0, 5] = np.nan, np.inf, 1e300
    values[:25, 7] = 2.0
    np.save(root / "responses.npy", values)
    np.save(root / "coordinates.npy", np.arange(30).reshape(10, 3))
    write(root / "rois.csv", "voxel,roi", "0,V1", "1,V1", "7,V2", "9,V3")
    found = responses(load())
    assert found.dropped == (1, 4, 5, 7)
    kept = [0, 2, 3, 6, 8, 9]
    np.testing.assert_array_equal(found.values, values[:, kept].astype(np.float32))
    np.testing.assert_array_equal(found.coordinates, np.arange(30).reshape(10, 3)[kept])
    assert found.rois.keys() == {"V1", "V3"}
    assert found.rois["V3"].tolist() == [False, False, False, False, False, True]
    assert "dropped 4 of 10 voxels: 3 with NaN or infinite values, 1 constant over train" in found.notes
    assert "ROIs without a voxel left: V2" in found.notes


def test_reading_in_blocks_changes_nothing(root: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.load(root / "responses.npy")
    values[17, 2] = np.nan
    np.save(root / "responses.npy", values)
    whole = responses(load())
    monkeypatch.setattr("brainbench.datasets.sources._BLOCK", 70)
    blocks = responses(load())
    assert blocks.dropped == whole.dropped == (2,)
    assert blocks.notes == whole.notes
    np.testing.assert_array_equal(blocks.values, whole.values)
    assert blocks.key == whole.key


def test_missing_coordinates_are_noted(load: Load) -> None:
    assert "no coordinates.npy: topology cannot be used" in responses(load()).notes


def test_subject_folders_win_over_the_top(root: Path, load: Load) -> None:
    (root / "responses.npy").unlink()
    for name, count in (("s10", 12), ("s2", 14)):
        fill(root / "subjects" / name, count, seed=count, voxels=3)
    np.save(root / "coordinates.npy", np.zeros((3, 3)))
    np.save(root / "subjects" / "s2" / "coordinates.npy", np.ones((3, 3)))
    write(root / "splits.csv", "image,split", *(f"{i:03}.png,{('train', 'val', 'test')[i % 3]}" for i in range(14)))
    dataset = load()
    assert dataset.subjects == ("s2", "s10")
    assert [len(dataset.stimuli(name)) for name in dataset.subjects] == [14, 12]
    assert responses(dataset, "s2").coordinates.max() == 1  # type: ignore[union-attr]
    assert responses(dataset, "s10").coordinates.max() == 0  # type: ignore[union-attr]
    assert responses(dataset, "s10").key != responses(dataset, "s2").key


def test_subjects_may_share_the_images(root: Path, load: Load) -> None:
    (root / "responses.npy").unlink()
    for name, noise in (("a", 1), ("b", 2)):
        (root / "subjects" / name).mkdir(parents=True)
        np.save(root / "subjects" / name / "responses.npy", np.random.default_rng(noise).normal(size=(30, 4)))
    dataset = load()
    assert dataset.stimuli("a").key == dataset.stimuli("b").key
    assert responses(dataset, "a").split_hash == responses(dataset, "b").split_hash


def test_a_further_subject_or_another_s_files_change_no_other(root: Path, load: Load) -> None:
    for name in ("a", "b"):
        fill(root / "subjects" / name, 30, seed=ord(name))
    write(
        root / "splits.csv", "image,split", *(f"{n:03}.png,{s}" for n, s in enumerate(["test", "val", *["train"] * 28]))
    )
    versions, contents, keys = [], [], []

    def look() -> None:
        dataset = load()
        versions.append(dataset.version)
        contents.append(dataset.content("a"))
        keys.append(responses(dataset, "a").key)

    look()
    fill(root / "subjects" / "c", 30, seed=5)
    look()
    np.save(root / "subjects/c/coordinates.npy", np.zeros((10, 3)))
    look()
    assert [len(set(seen)) for seen in (versions, contents, keys)] == [1, 1, 1]
    # What the subjects share counts for all of them, and a subject's own files for itself.
    np.save(root / "subjects/a/coordinates.npy", np.zeros((10, 3)))
    look()
    assert [len(set(seen)) for seen in (versions, contents, keys)] == [1, 2, 2]
    write(
        root / "splits.csv", "image,split", *(f"{n:03}.png,{s}" for n, s in enumerate(["val", "test", *["train"] * 28]))
    )
    look()
    assert [len(set(seen)) for seen in (versions, contents, keys)] == [2, 3, 3]


def test_each_matrix_of_dissimilarities_is_a_subject(root: Path, load: Load) -> None:
    (root / "responses.npy").unlink()
    stack = np.random.default_rng(4).uniform(size=(3, 30, 30))
    stack += stack.transpose(0, 2, 1)
    np.save(root / "dissimilarities.npy", stack)
    dataset = load()
    assert dataset.subjects == ("1", "2", "3")
    assert dataset.provides == {"dissimilarities"}
    np.testing.assert_array_equal(dataset.dissimilarities("2"), stack[1])


def test_version_follows_content_and_nothing_else(root: Path, load: Load) -> None:
    version = load().version
    os.utime(root / "responses.npy", (1, 1))
    assert load().version == version
    values = np.load(root / "responses.npy")
    np.save(root / "responses.npy", values + 1)
    changed = load().version
    assert changed != version
    np.save(root / "responses.npy", values)
    Image.new("RGB", (4, 4)).save(root / "images" / "000.png")
    assert load().version not in (version, changed)


def test_key_follows_values_split_coordinates_and_rois(root: Path, load: Load) -> None:
    keys = {responses(load()).key, responses(load(split_seed=1)).key}
    np.save(root / "coordinates.npy", np.zeros((10, 3)))
    keys.add(responses(load()).key)
    for voxel in "12":
        write(root / "rois.csv", "voxel,roi", f"{voxel},V1")
        keys.add(responses(load()).key)
    values = np.load(root / "responses.npy")
    values[0, 0] += 1
    np.save(root / "responses.npy", values)
    keys.add(responses(load()).key)
    assert len(keys) == 6


def test_second_load_decodes_only_what_changed(root: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load()
    decoded = []
    attempt = ledger._attempt
    monkeypatch.setattr(ledger, "_attempt", lambda look, path: decoded.append(path.name) or attempt(look, path))  # type: ignore[func-returns-value]
    assert load().version == first.version
    assert decoded == []
    Image.new("RGB", (7, 7)).save(root / "images" / "011.png")
    assert load().version != first.version
    assert decoded == ["011.png"]


def test_damaged_ledger_is_made_again(load: Load, tmp_path: Path) -> None:
    version = load().version
    (path,) = (tmp_path / "cache" / "files").glob("*.json")
    whole = path.read_text()
    digest = whole.partition('"digest": "')[2][:64]
    for damage in ("{", "[]", '{"edition": "0", "facts": {}}', whole.replace(digest, digest[::-1])):
        path.write_text(damage)
        assert load().version == version


def test_two_processes_at_once_both_add_to_the_ledger(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in "ab":
        (tmp_path / "data" / name).write_text(name)
    one, other = ledger.Ledger(tmp_path, tmp_path / "data"), ledger.Ledger(tmp_path, tmp_path / "data")
    for each, name in ((one, "a"), (other, "b")):
        each.digest(tmp_path / "data" / name)
        each.save()
    again = ledger.Ledger(tmp_path, tmp_path / "data")
    assert len(again._facts) == 2


def test_file_order_that_may_surprise_is_noted(root: Path, load: Load) -> None:
    for index in range(30):
        (root / "images" / f"{index:03}.png").rename(root / "images" / f"im{index}.png")
    dataset = load()
    assert dataset.stimuli("1").ids[:3] == ("im0.png", "im1.png", "im10.png")
    assert any("plain file-name order" in note for note in responses(dataset).notes)


def test_unknown_subject_is_named(load: Load) -> None:
    with pytest.raises(UsageError, match=r"no subject '9'.*has 1"):
        load().responses("9")


def test_without_a_folder_the_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--data PATH"):
        FOLDER.loader(settings=FOLDER.resolve_settings({}), data=None, cache=tmp_path)


def test_the_card_names_its_setting_and_wants_data() -> None:
    assert FOLDER.needs_data
    assert FOLDER.own_settings({"split_seed": "3"}) == {"split_seed": 3, "zscore": "none", "repeats": "trials"}
    with pytest.raises(UsageError, match="at least 0"):
        FOLDER.resolve_settings({"split_seed": -1})
