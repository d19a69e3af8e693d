"""The commands on the fit of a small run."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from brainbench_sae import saelens
from brainbench_sae.__main__ import main
from brainbench_sae.dictionary import Dictionary
from brainbench_sae.fits import Fit, open_fit
from brainbench_sae.series import series
from brainbench_sae.tables import layer_table, units_per_voxel
from brainbench_sae.units import overlays, units_of
from PIL import Image

import brainbench


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with records, and the cache they were made with."""
    folder = tmp_path_factory.mktemp("commands")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_CACHE", str(folder / "cache"))
        brainbench.run(
            "random",
            "sae",
            metrics="r2,dictionary",
            subjects="1",
            set={"demo.images": 100, "sae.steps": 3, "sae.rate": 2, "dictionary.rotations": 3, "dictionary.voxels": 50},
            no_controls=True,
            results=folder / "results",
            leaderboards=folder / "boards",
        )
        yield folder


@pytest.fixture(scope="module")
def record(home: Path) -> Path:
    (path,) = (home / "results").glob("*.json")
    return path


@pytest.fixture(scope="module")
def fit(record: Path) -> Fit:
    return open_fit(record)


def test_the_board_shows_both_similarities(home: Path) -> None:
    board = (home / "boards" / "demo.csv").read_text().splitlines()[0]
    assert "test similarity" in board
    assert "train similarity" in board
    assert "dead units" in (home / "boards" / "demo.layers.csv").read_text()


def test_top_images_are_those_of_the_largest_series(fit: Fit) -> None:
    found, dictionary = units_of(fit, "V1", 3, 4), fit.fitted.dictionary
    assert fit.test is not None
    assert [unit.voxels for unit in found] == sorted((unit.voxels for unit in found), reverse=True)
    for unit in found:
        layer = fit.features.layers.index(unit.layer)
        reads = (dictionary.layer == layer) & (dictionary.unit == unit.number)
        inside = reads & fit.region("V1")
        assert unit.voxels == inside.sum()
        assert unit.train == pytest.approx(dictionary.similarity[inside].mean(), abs=1e-5)
        assert unit.test == pytest.approx(fit.test[inside].mean(), abs=1e-5)
        model = fit.fitted.readers[layer].model
        own = series(model, fit.features, layer, np.arange(len(fit.features)), "mean")
        column = fit.fitted.readers[layer].units.tolist().index(unit.number)
        assert unit.rows.tolist() == np.argsort(-own[:, column], kind="stable")[:4].tolist()
        np.testing.assert_allclose(unit.maps.mean(axis=(1, 2)), own[unit.rows, column], rtol=1e-4, atol=1e-6)
        shown = overlays(fit, unit)
        assert shown.shape == (4, 112, 112, 3)
        assert shown.max() > 0


def test_units_writes_a_picture_and_says_which(
    record: Path, fit: Fit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "v1.png"
    assert main(["units", str(record), "--roi", "V1", "--count", "2", "--images", "3", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert str(units_of(fit, "V1", 2, 3)[0]) in told
    with Image.open(out) as picture:
        assert np.asarray(picture.convert("L")).std() > 1


def test_layers_prints_tables_that_sum_up(
    record: Path, fit: Fit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = layer_table(fit.fitted.dictionary, fit.features.layers, fit.regions())
    np.testing.assert_allclose(table.best.sum(axis=0), 1)
    np.testing.assert_allclose(table.average.sum(axis=0), 1)
    own = [(fit.fitted.dictionary.layer == layer).mean() for layer in range(len(table.layers))]
    np.testing.assert_allclose(table.best[:, table.rois.index("all")], own)
    out = tmp_path / "layers.csv"
    assert main(["layers", str(record), "--out", str(out)]) == 0
    assert "Units whose most similar voxel is in the ROI, per voxel" in capsys.readouterr().out
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(table.layers) * len(table.rois)
    assert float(rows[0]["units_per_voxel"]) == pytest.approx(table.density[0, 0], abs=1e-5)
    assert out.with_suffix(".png").is_file()


def test_density_counts_each_living_unit_once() -> None:
    shape = np.zeros((3, 1), np.float32)
    found = Dictionary(
        *(np.zeros(3, np.int64) for _ in range(2)),
        *(np.zeros(3, np.float32) for _ in range(3)),
        highest=shape,
        mean=shape,
        nearest=(np.array([2, -1, 2, 0], np.int32),),
        nearest_similarity=(np.zeros(4, np.float32),),
        quality=np.zeros((1, 3), np.float32),
        images=5,
    )
    assert units_per_voxel(found).tolist() == [[1, 0, 2]]
    table = layer_table(found, ("a",), {"V1": np.array([True, False, True]), "all": np.ones(3, bool)})
    assert table.density.tolist() == [[1.5, 1]]


@pytest.mark.slow
def test_the_map_is_painted(record: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    assert main(["map", str(record), "--out", str(out)]) == 0
    assert out.is_file()


def test_autoencoders_are_trained_on_a_folder_and_read_by_a_run(home: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(3):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(tmp_path / "images" / f"{number}.png")
    out = tmp_path / "trained"
    arguments = ["--images", str(tmp_path / "images"), "--out", str(out), "--steps", "2", "--rate", "2"]
    assert main(["train", "random", *arguments]) == 0
    models = [saelens.read(path.parent) for path in out.glob("*/cfg.json")]
    assert models
    assert all(model.units == 2 * model.channels for model in models)
    frame = brainbench.run(
        "random",
        "sae",
        metrics="dictionary",
        subjects="1",
        set={"demo.images": 100, "sae.weights": str(out), "dictionary.rotations": 3, "dictionary.voxels": 50},
        no_controls=True,
        results=tmp_path / "results",
        leaderboards=tmp_path / "boards",
    )
    assert frame["status"].tolist() == ["done"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["units", "RECORD", "--roi", "V9"], "--roi V9: no such ROI"),
        (["units", "RECORD", "--count", "0"], "--count 0, --images 8: at least 1 each"),
        (["layers", "RECORD", "--out", "table.txt"], "--out table.txt: the table ends in .csv"),
        (["train", "random", "--images", "nowhere", "--out", "x"], "nowhere is not a folder: give one that contains"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(record) if text == "RECORD" else text for text in arguments]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
