from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from folders import names_of, open_folder, responses_of, write_images, write_table
from scipy.stats import zscore

from brainbench import DataError

NAMES = names_of(30)


@pytest.fixture
def values() -> dict[str, np.ndarray]:
    """Three sessions of forty rows and eight voxels, of other means and deviations each."""
    noise = np.random.default_rng(0)
    return {f"ses-{n:02}": noise.normal(n, n, (40, 8)) for n in (1, 2, 3)}


@pytest.fixture
def order() -> dict[str, list[str]]:
    """Which image was shown in each row: many of them several times."""
    noise = np.random.default_rng(1)
    return {f"ses-{n:02}": [NAMES[i] for i in noise.integers(0, 30, 40)] for n in (1, 2, 3)}


@pytest.fixture
def root(tmp_path: Path, values: dict[str, np.ndarray], order: dict[str, list[str]]) -> Path:
    """A BIDS-like root of one subject: another format in each session."""
    place = tmp_path / "data"
    write_images(place / "stimuli", 30)
    write_table(place / "participants.tsv", "participant_id,age", "sub-01,30")
    (place / "participants.json").write_text("{}")
    for name in values:
        lines = [f"{row},1,{image},x" for row, image in enumerate(order[name])]
        write_table(place / "sub-01" / name / "events.tsv", "onset,duration,stim_file,trial_type", *lines)
    np.save(place / "sub-01/ses-01/responses.npy", values["ses-01"])
    frame = pd.DataFrame(values["ses-02"], columns=list("abcdefgh"))
    frame.to_parquet(place / "sub-01/ses-02/responses.parquet")
    frame = pd.DataFrame(values["ses-03"], columns=list("abcdefgh"))
    frame.to_csv(place / "sub-01/ses-03/responses.tsv", sep="\t", index=False)
    return place


def joined(values: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate(list(values.values()))


def shown(order: dict[str, list[str]]) -> list[str]:
    return [image for images in order.values() for image in images]


def test_sessions_are_joined_in_order(root: Path, values: dict[str, np.ndarray], order: dict[str, list[str]]) -> None:
    dataset = open_folder(root)
    assert dataset.subjects == ("01",)
    found = responses_of(dataset, "01")
    np.testing.assert_array_equal(found.values, joined(values).astype(np.float32))
    assert [dataset.stimuli("01").ids[index] for index in found.stimulus] == shown(order)


def test_session_z_scores_equal_those_of_scipy(root: Path, values: dict[str, np.ndarray]) -> None:
    found = responses_of(open_folder(root, zscore="session"), "01")
    np.testing.assert_allclose(found.values, np.concatenate([zscore(v) for v in values.values()]), atol=1e-5)
    assert any("z-scored per voxel in each of 3 sessions" in note for note in found.notes)


def test_repeats_are_averaged_over_sessions(
    root: Path, values: dict[str, np.ndarray], order: dict[str, list[str]]
) -> None:
    dataset = open_folder(root, repeats="average")
    found = responses_of(dataset, "01")
    expected = pd.DataFrame(joined(values)).groupby(shown(order)).mean()
    ids = [dataset.stimuli("01").ids[index] for index in found.stimulus]
    assert sorted(ids) == sorted(set(shown(order)))
    np.testing.assert_allclose(found.values, expected.loc[ids], rtol=1e-4, atol=1e-5)
    assert "responses averaged over the trials of an image" in found.notes


@pytest.mark.parametrize("repeats", ["trials", "average"])
def test_no_repeat_crosses_the_split(root: Path, repeats: str) -> None:
    found = responses_of(open_folder(root, repeats=repeats), "01")
    for index in set(found.stimulus.tolist()):
        assert len(set(found.split[found.stimulus == index])) == 1


def plain_ceiling(rows: np.ndarray, images: list[str], test: list[str], average: bool) -> np.ndarray:
    """Variances in plain float64: within an image (noise) and over all of these trials."""
    frame = pd.DataFrame(rows)
    groups = frame.groupby(images)
    several = [image for image, count in groups.size().items() if count > 1]
    noise = groups.var(ddof=1).loc[several].mean().to_numpy()
    trials = frame[[image in several for image in images]]
    signal = np.maximum(trials.var(ddof=1).to_numpy() - noise, 0)
    share = np.mean([1 / images.count(image) for image in test]) if average else 1.0
    return np.asarray(signal / (signal + share * noise))


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("scale", ["none", "session"])
def test_ceiling_is_estimated_where_images_repeat(
    root: Path, values: dict[str, np.ndarray], order: dict[str, list[str]], average: bool, scale: str
) -> None:
    signal = np.random.default_rng(5).normal(size=(30, 8))
    for name, suffix in (("ses-02", "parquet"), ("ses-03", "tsv")):
        (root / f"sub-01/{name}/responses.{suffix}").unlink()
    for name, images in order.items():
        values[name] = signal[[NAMES.index(image) for image in images]] + values[name] * np.arange(1, 9) / 9
        np.save(root / f"sub-01/{name}/responses.npy", values[name])
    dataset = open_folder(root, repeats="average" if average else "trials", zscore=scale)
    assert "noise_ceiling" in dataset.provides
    found = responses_of(dataset, "01")
    ids = dataset.stimuli("01").ids
    test = sorted({ids[index] for index in found.stimulus[found.rows("test")]})
    used = np.concatenate([zscore(v) if scale == "session" else v for v in values.values()])
    expected = plain_ceiling(used, shown(order), test, average)
    assert found.noise_ceiling is not None
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found.noise_ceiling, expected, atol=1e-5)
    several = sum(shown(order).count(image) > 1 for image in NAMES)
    (note,) = (note for note in found.notes if "noise ceiling" in note)
    assert "ncsnr^2 / (ncsnr^2 + " in note
    assert f"from {several} images that repeat" in note


def test_an_estimate_is_remembered_and_a_given_ceiling_wins(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_folder(root).survey("01")
    monkeypatch.setattr("brainbench.builtin.datasets.folder.ceiling.ncsnr_of_repeats", None)
    again = open_folder(root).survey("01")
    np.testing.assert_array_equal(first.noise_ceiling, again.noise_ceiling)
    write_table(root / "sub-01" / "noise_ceiling.csv", "share", *["0.25"] * 8)
    given = open_folder(root).survey("01")
    assert given.noise_ceiling.tolist() == [0.25] * 8
    assert not any("ceiling" in note for note in given.notes)


def test_one_image_that_repeats_says_nothing(tmp_path: Path) -> None:
    write_images(tmp_path / "data/images", 30)
    write_table(tmp_path / "data/stimuli.csv", "image", *NAMES, NAMES[0])
    np.save(tmp_path / "data/responses.npy", np.random.default_rng(0).normal(size=(31, 4)))
    dataset = open_folder(tmp_path / "data")
    assert "noise_ceiling" not in dataset.provides
    assert dataset.survey("1").noise_ceiling is None


def test_sessions_without_tables_show_the_same_images(tmp_path: Path, values: dict[str, np.ndarray]) -> None:
    write_images(tmp_path / "data/images", 30)
    for name, rows in values.items():
        (tmp_path / "data" / name).mkdir()
        np.save(tmp_path / "data" / name / "responses.npy", rows[:30])
    found = responses_of(open_folder(tmp_path / "data"))
    assert found.stimulus.tolist() == [*range(30)] * 3
    np.testing.assert_array_equal(found.values[60:], values["ses-03"][:30].astype(np.float32))


def test_session_10_follows_session_9(tmp_path: Path, values: dict[str, np.ndarray]) -> None:
    write_images(tmp_path / "data/images", 30)
    for name, rows in zip(("ses-9", "ses-10", "ses-11"), values.values(), strict=True):
        (tmp_path / "data" / name).mkdir()
        np.save(tmp_path / "data" / name / "responses.npy", rows[:30])
    wanted = np.concatenate([rows[:30] for rows in values.values()]).astype(np.float32)
    np.testing.assert_array_equal(responses_of(open_folder(tmp_path / "data")).values, wanted)


def test_shifting_the_images_by_one_loses_what_was_planted(
    root: Path, values: dict[str, np.ndarray], order: dict[str, list[str]]
) -> None:
    signal = np.random.default_rng(5).normal(size=30)

    def correlation(shift: int) -> float:
        for name, images in order.items():
            here = root / "sub-01" / name
            for path in here.glob("responses.*"):
                path.unlink()
            moved = [images[row - shift] for row in range(40)]
            np.save(here / "responses.npy", signal[[NAMES.index(i) for i in moved]][:, None] + values[name] / 99)
        dataset = open_folder(root)
        found = responses_of(dataset, "01")
        ids = dataset.stimuli("01").ids
        wanted = signal[[NAMES.index(ids[index]) for index in found.stimulus]]
        return float(np.corrcoef(wanted, found.values[:, 0])[0, 1])

    assert correlation(0) > 0.95
    assert abs(correlation(1)) < 0.4


def test_lines_without_an_image_are_passed_over_and_a_folder_may_be_named(root: Path, order: dict[str, Any]) -> None:
    lines = [f"{row},stimuli/{image}" for row, image in enumerate(order["ses-01"])]
    lines.insert(3, "9,n/a")
    write_table(root / "sub-01/ses-01/events.tsv", "onset,stim_file", *lines)
    dataset = open_folder(root)
    ids = dataset.stimuli("01").ids
    assert [ids[index] for index in responses_of(dataset, "01").stimulus] == shown(order)


def test_a_column_gives_the_split(root: Path, order: dict[str, list[str]]) -> None:
    words = {name: ("train", "val", "test")[index % 3] for index, name in enumerate(NAMES)}
    words[NAMES[4]] = "n/a"
    for name, images in order.items():
        lines = [f"{image},{words[image]}" for image in images]
        write_table(root / "sub-01" / name / "events.tsv", "stim_file,split", *lines)
    dataset = open_folder(root)
    found = responses_of(dataset, "01")
    ids = dataset.stimuli("01").ids
    assert [ids[index] for index in found.stimulus] == [image for image in shown(order) if image != NAMES[4]]
    assert all(words[ids[i]] == split for i, split in zip(found.stimulus, found.split, strict=True))
    assert any("1 of" in note and "the tables' column split" in note for note in found.notes)


def test_a_damaged_subject_stops_no_other(root: Path) -> None:
    shutil.copytree(root / "sub-01", root / "sub-02")
    shutil.copytree(root / "sub-01", root / "sub-10")
    lines = [f"sub-{name},1" for name in ("01", "02", "03", "10")]
    write_table(root / "participants.tsv", "participant_id,age", *lines)
    (root / "sub-02/ses-02/responses.parquet").write_bytes(b"PAR1")
    shutil.rmtree(root / "sub-10/ses-02")
    dataset = open_folder(root)
    assert dataset.subjects == ("01", "02", "03", "10")
    assert len(dataset.stimuli("01")) > 9
    assert responses_of(dataset, "01").values.shape == (120, 8)
    for name, message in (
        ("02", r"responses\.parquet cannot be read as Parquet"),
        ("03", r"names sub-03, but there is no such folder"),
        ("10", "ses-02 is missing between ses-01 and ses-03"),
    ):
        for ask in (dataset.stimuli, dataset.survey, dataset.responses):
            with pytest.raises(DataError, match=message):
                ask(name)
    with pytest.raises(DataError, match=r"responses\.parquet cannot be read as Parquet"):
        dataset.content("02")
    shutil.copy(root / "sub-01/ses-02/responses.parquet", root / "sub-02/ses-02/responses.parquet")
    # A subject that can be read again changes no other.
    mended = open_folder(root)
    assert mended.version == dataset.version
    assert mended.content("01") == dataset.content("01")
    assert mended.content("02")


def resave(root: Path, name: str, values: np.ndarray) -> None:
    for path in (root / "sub-01" / name).glob("responses.*"):
        path.unlink()
    np.save(root / "sub-01" / name / "responses.npy", values)


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "other voxels": (
        lambda root: resave(root, "ses-02", np.ones((40, 7))),
        r"ses-02/responses\.npy has 7 voxels, .*ses-01/responses\.npy 8: all sessions of a subject need the same",
    ),
    "gap": (lambda root: shutil.rmtree(root / "sub-01/ses-02"), "ses-02 is missing between ses-01 and ses-03"),
    "no responses": (
        lambda root: (root / "sub-01/ses-02/responses.parquet").unlink(),
        r"no responses in .*ses-02: each session needs a file",
    ),
    "responses beside sessions": (
        lambda root: np.save(root / "sub-01/responses.npy", np.ones((120, 8))),
        r"sub-01 holds both responses\.npy and ses-\* folders",
    ),
    "image not there": (
        lambda root: write_table(root / "sub-01/ses-02/events.tsv", "onset,stim_file", "1,099.png"),
        r"ses-02/events\.tsv, line 2: no image '099\.png' in .*stimuli \(did you mean",
    ),
    "rows against lines": (
        lambda root: resave(root, "ses-03", np.ones((39, 8))),
        r"has 39 rows .*there are 40 lines in .*ses-03/events\.tsv",
    ),
    "no column": (
        lambda root: write_table(root / "sub-01/ses-02/events.tsv", "onset,duration", "1,2"),
        r"no column image in its first line \(onset, duration\)",
    ),
    "two tables": (
        lambda root: write_table(root / "sub-01/ses-02/stimuli.csv", "image", *NAMES),
        r"ses-02 holds both stimuli\.csv and events\.tsv",
    ),
    "misspelt in a session": (
        lambda root: (root / "sub-01/ses-02/events.tsv").rename(root / "sub-01/ses-02/event.tsv"),
        r"event\.tsv would not be read: did you mean 'events\.tsv'",
    ),
    "split word": (
        lambda root: write_table(root / "sub-01/ses-02/events.tsv", "stim_file,split", *[f"{n},tset" for n in NAMES]),
        r"line 2: split 'tset' \(did you mean 'test'\?\); allowed are train, val, test",
    ),
    "two splits": (
        lambda root: write_table(root / "sub-01/ses-02/events.tsv", "stim_file,split", "001.png,val", "001.png,test"),
        r"line 3: 001\.png is in split 'val' and in 'test'",
    ),
    "splits given twice": (
        lambda root: (
            write_table(root / "splits.tsv", "image,split", "001.png,train"),
            write_table(root / "sub-01/ses-01/events.tsv", "stim_file,split", *["001.png,val"] * 40),
        ),
        r"splits\.tsv is there, and the tables of the stimuli have a column split too",
    ),
    "both kinds of subjects": (
        lambda root: (root / "subjects/a").mkdir(parents=True),
        r"holds both subjects/ and sub-01",
    ),
    "not a participant": (
        lambda root: write_table(root / "participants.tsv", "participant_id", "sub-02"),
        r"names sub-02, but there is no such folder",
    ),
    "no images": (lambda root: shutil.rmtree(root / "stimuli"), r"no folder images/"),
    "no column of participants": (
        lambda root: (root / "participants.tsv").write_text("id\nsub-01\n"),
        r"no column participant_id",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=BAD.keys())
def test_bad_sessions_are_one_line(root: Path, spoil: Callable[[Path], Any], message: str) -> None:
    spoil(root)
    with pytest.raises(DataError, match=message) as caught:
        open_folder(root)
    assert "\n" not in str(caught.value)
