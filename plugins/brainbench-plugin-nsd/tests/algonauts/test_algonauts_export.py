from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from brainbench_nsd.algonauts.export import export, main, write_submission

from brainbench import DataError

SIZES = {"lh": 5, "rh": 4}


def write_record(
    folder: Path, root: Path, dropped: Sequence[int] = (3, 200), **dataset: Any
) -> tuple[Path, np.ndarray]:
    """A record as far as the export reads it, and its predictions."""
    folder.mkdir(exist_ok=True)
    facts = {"name": "algonauts2023", "subject": "1", "dropped_voxels": list(dropped)} | dataset
    (folder / "key.json").write_text(json.dumps({"dataset": facts}))
    values = np.random.default_rng(0).normal(size=(5, 395 - len(dropped))).astype(np.float32)
    group = zarr.open_group(folder / "key.zarr", mode="w")
    group.create_array("unmeasured", data=values)
    group.attrs["unmeasured_ids"] = sorted(path.name for path in (root / "subj01/test_split/test_images").iterdir())
    return folder / "key.json", values


def test_vertices_come_back_to_their_places(tmp_path: Path) -> None:
    values = np.arange(1, 15, dtype=np.float64).reshape(2, 7)
    left, right = write_submission(values, (1, 6), SIZES, tmp_path, "3")
    assert left == tmp_path / "subj03" / "lh_pred_test.npy"
    np.testing.assert_array_equal(np.load(left), [[1, 0, 2, 3, 4], [8, 0, 9, 10, 11]])
    np.testing.assert_array_equal(np.load(right), [[5, 0, 6, 7], [12, 0, 13, 14]])
    assert np.load(left).dtype == np.load(right).dtype == np.float32


def test_a_record_becomes_the_files_of_its_subject(made: Path, tmp_path: Path) -> None:
    record, values = write_record(tmp_path / "results", made)
    left, right = export(record, made, tmp_path / "submission")
    joined = np.hstack([np.load(left), np.load(right)])
    assert np.load(left).shape == (5, 190)
    assert np.load(right).shape == (5, 205)
    np.testing.assert_array_equal(np.delete(joined, [3, 200], axis=1), values)
    assert not joined[:, [3, 200]].any()


def test_nothing_is_written_over(made: Path, tmp_path: Path) -> None:
    record, _ = write_record(tmp_path / "results", made)
    export(record, made, tmp_path / "submission")
    with pytest.raises(DataError, match=r"subj01/lh_pred_test\.npy is there already: give another folder"):
        export(record, made, tmp_path / "submission")


def test_what_cannot_be_submitted(root: Path, tmp_path: Path) -> None:
    results, out = tmp_path / "results", tmp_path / "submission"
    other, _ = write_record(results, root, name="nsd")
    with pytest.raises(DataError, match=r"key\.json is of nsd: only predictions for algonauts2023"):
        export(other, root, out)
    absent, _ = write_record(results, root, subject="7")
    with pytest.raises(DataError, match=r"no subj07 in .*release: give the --data that"):
        export(absent, root, out)
    fewer, _ = write_record(results, root, dropped=(1, 2), dropped_voxels=[1])
    with pytest.raises(DataError, match=r"393 vertices are predicted and 1 were dropped, but subject 1 has 395"):
        export(fewer, root, out)
    record, _ = write_record(results, root)
    with pytest.raises(DataError, match=r"nothing\.json is not a readable record"):
        export(results / "nothing.json", root, out)
    zarr.open_group(results / "key.zarr", mode="a").attrs["unmeasured_ids"] = ["a", "b"]
    with pytest.raises(DataError, match=r"predicts 2 images, not the 5 of .*test_images in the order of their numbers"):
        export(record, root, out)
    del zarr.open_group(results / "key.zarr", mode="a")["unmeasured"]
    with pytest.raises(DataError, match=r"has no stored predictions for test images: .*test_split=true and --keep all"):
        export(record, root, out)
    assert not out.exists()


def test_the_command_prints_paths_or_one_line(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, _ = write_record(tmp_path / "results", made)
    asked = [str(record), "--data", str(made), "--to", str(tmp_path / "submission")]
    assert main(asked) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "submission" / "subj01" / f"{side}_pred_test.npy") for side in ("lh", "rh")
    ]
    assert main(asked) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "is there already" in line
