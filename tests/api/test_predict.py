"""Responses of fitted brains to any images, from their records."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import toy
from experiment import write_experiment
from PIL import Image

import brainbench
from brainbench import BrainbenchError, DataError, PluginError, StoreError, UsageError
from brainbench.cli import main
from brainbench.records import Failure
from brainbench.registry import installed
from brainbench.results.arrays import StoredArrays, read_ids
from brainbench.results.store import read_record, write_record

ENCODERS = [entry.name for entry in installed().encoders]
STEPS = {f"{entry.name}.steps": 5 for entry in installed().encoders if "steps" in {s.name for s in entry.card.settings}}
VOXELS = 12


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("predict")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture(scope="module")
def experiment(place: Path) -> Path:
    folder = write_experiment(place / "experiment", images=60, voxels=VOXELS)
    np.save(folder / "coordinates.npy", np.random.default_rng(1).normal(size=(VOXELS, 3)))
    rois = [f"{voxel},{'V1' if voxel < 5 else 'EBA'}" for voxel in range(VOXELS)]
    (folder / "rois.csv").write_text("\n".join(["voxel,roi", *rois]) + "\n")
    return folder


@pytest.fixture(scope="module")
def results(place: Path, experiment: Path) -> dict[str, Path]:
    """Encoder -> the record of its fit."""
    done = brainbench.run(
        "pixels",
        ENCODERS,
        "folder",
        data=experiment,
        metrics="r2",
        set=STEPS,
        no_controls=True,
        results=place / "results",
        leaderboards=place / "boards",
    )
    assert set(done.status) == {"done"}
    return {row.encoder: Path(row.record) for row in done.itertuples()}


@pytest.fixture
def record(results: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the record of factortopy, with what is stored beside it, that may be damaged."""
    return copied(results["factortopy"], tmp_path)


def copied(record: Path, folder: Path) -> Path:
    for path in record.parent.glob(f"{record.stem}*"):
        (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)
    return folder / record.name


def stored(record: Path) -> tuple[np.ndarray, list[str]]:
    ids = read_ids(record.parent, record.stem)
    assert ids is not None
    return StoredArrays(record.parent, read_record(record))["predictions"], ids


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
def test_the_test_images_are_predicted_as_the_fit_predicted_them(
    name: str, results: dict[str, Path], experiment: Path
) -> None:
    expected, ids = stored(results[name])
    again = brainbench.predict(results[name], [experiment / "images" / image for image in ids], data=experiment)
    assert list(again.index) == ids
    np.testing.assert_allclose(again.to_numpy(), expected, atol=1e-5)


def test_any_image_is_predicted_and_rois_are_means(results: dict[str, Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for number in range(3):
        Image.fromarray(rng.integers(0, 255, (40, 30, 3), dtype=np.uint8)).save(tmp_path / f"new{number}.jpg")
    table = brainbench.predict(results["factortopy"], tmp_path)
    assert list(table.index) == ["new0.jpg", "new1.jpg", "new2.jpg"]
    assert table.shape == (3, VOXELS)
    assert np.isfinite(table.to_numpy()).all()
    rois = brainbench.predict(results["factortopy"], tmp_path, rois=True)
    expected = {"V1": table.iloc[:, :5].mean(axis=1), "EBA": table.iloc[:, 5:].mean(axis=1)}
    pd.testing.assert_frame_equal(rois[["V1", "EBA"]], pd.DataFrame(expected), rtol=1e-5)


@pytest.mark.parametrize("ending", [".npy", ".csv", ".parquet"])
def test_the_command_writes_by_the_files_ending(
    ending: str, results: dict[str, Path], experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read: dict[str, Callable[[Path], Any]] = {
        ".npy": np.load,
        ".csv": lambda path: pd.read_csv(path, index_col="image"),
        ".parquet": pd.read_parquet,
    }
    expected, ids = stored(results["factortopy"])
    out, images = tmp_path / f"out{ending}", [str(experiment / "images" / image) for image in ids]
    with pytest.raises(SystemExit) as end:
        main(["predict", str(results["factortopy"]), *images, "--out", str(out)])
    assert end.value.code == 0
    assert f"wrote {out}: {len(ids)} images x {VOXELS} voxels" in capsys.readouterr().out
    found = read[ending](out)
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-5)
    if ending != ".npy":
        assert list(found.index) == ids


def fails(record: Path, images: Path, error: type[BrainbenchError], message: str, capsys: Any, *more: str) -> None:
    """In Python with this error, on the command line with one line of it and exit code 2."""
    with pytest.raises(error, match=message):
        brainbench.predict(record, images, rois="--rois" in more)
    with pytest.raises(SystemExit) as end:
        main(["predict", str(record), str(images), "--out", "out.npy", *more])
    said = capsys.readouterr().err.strip().splitlines()
    assert (end.value.code, len(said)) == (2, 1)


def test_damaged_or_absent_parameters_are_one_line(record: Path, experiment: Path, capsys: Any) -> None:
    parameters = record.with_suffix(".safetensors")
    parameters.write_bytes(parameters.read_bytes()[:-1] + b"x")
    fails(record, experiment / "images", StoreError, "safetensors is missing or damaged; run the same command", capsys)
    parameters.unlink()
    fails(record, experiment / "images", StoreError, "safetensors is missing or damaged; run the same command", capsys)
    facts = read_record(record)
    write_record(record.parent, replace(facts, artifacts={}))
    fails(record, experiment / "images", UsageError, "its parameters were not kept", capsys)


def test_a_failed_record_is_one_line(record: Path, experiment: Path, capsys: Any) -> None:
    failure = Failure("plugin 1", "fit", "ValueError", "no way")
    write_record(record.parent, replace(read_record(record), status="failed", failure=failure))
    fails(record, experiment / "images", UsageError, r"this job failed \(ValueError: no way\)", capsys)


def test_a_record_that_is_gone_or_damaged_is_one_line(record: Path, experiment: Path, capsys: Any) -> None:
    record.write_text(record.read_text()[:-20])
    fails(record, experiment / "images", StoreError, "json", capsys)
    fails(record.with_name("other.json"), experiment / "images", StoreError, "other.json", capsys)


def test_an_encoder_that_is_gone_or_cannot_restore_is_one_line(
    record: Path, experiment: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = installed().encoders.get("factortopy").card
    old = replace(card, loader=lambda *, settings: toy.ToyEncoder())
    monkeypatch.setattr("brainbench.api.predict.installed", lambda: toy.registry(encoders=[old]))
    fails(record, experiment / "images", PluginError, r"toy-dist 1.0: factortopy cannot predict from a record", capsys)
    monkeypatch.setattr("brainbench.api.predict.installed", toy.registry)
    fails(record, experiment / "images", UsageError, "unknown encoder 'factortopy'", capsys)


def test_another_backbone_than_the_fits_is_refused(record: Path, experiment: Path, capsys: Any) -> None:
    facts = read_record(record)
    write_record(record.parent, replace(facts, features_key="0" * 64))
    fails(record, experiment / "images", UsageError, "the installed pixels is not the one it was fitted to", capsys)


def test_parameters_of_another_encoder_are_told(record: Path, results: dict[str, Path], experiment: Path) -> None:
    facts, other = read_record(record), read_record(results["classtoken"])
    shutil.copy(results["classtoken"].with_suffix(".safetensors"), record.with_suffix(".safetensors"))
    digest = other.artifacts[f"{other.key}.safetensors"]
    write_record(record.parent, replace(facts, artifacts=facts.artifacts | {f"{facts.key}.safetensors": digest}))
    with pytest.raises(PluginError, match="the parameters are not those of this encoder on 7 layers of"):
        brainbench.predict(record, experiment / "images")


def test_images_and_files_that_are_not_there_are_told(
    record: Path, experiment: Path, tmp_path: Path, capsys: Any
) -> None:
    fails(record, tmp_path / "nothing.png", UsageError, "nothing.png: no such image", capsys)
    (tmp_path / "empty").mkdir()
    fails(record, tmp_path / "empty", DataError, "no images in", capsys)
    facts = read_record(record)
    write_record(record.parent, replace(facts, dataset=replace(facts.dataset, rois={})))
    fails(record, experiment / "images", UsageError, "its dataset has no ROIs", capsys, "--rois")
    with pytest.raises(SystemExit) as end:
        main(["predict", str(record), str(experiment), "--out", "out.txt"])
    assert end.value.code == 2
    assert "--out out.txt: allowed endings are .npy, .csv, .parquet" in capsys.readouterr().err
