from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cortices import planted, record, table, write_fit

from brainbench import StoreError, Surface, UsageError
from brainbench.plot import Voxels, chosen_voxels, together, voxels_of
from brainbench.records import Failure


def fits(folder: Path) -> Path:
    # Files in the other order than subjects.
    for subject, key in (("2", "a" * 64), ("1", "b" * 64)):
        write_fit(folder, record(subject, key=key), table())
    write_fit(folder, record("1", "toy/other"), table())
    return folder


def test_a_record_a_row_and_voxels_are_one(tmp_path: Path) -> None:
    path = write_fit(tmp_path, record(), planted())
    frame = pd.DataFrame([{"record": str(path), "r2.all": 0.3}])
    found = [voxels_of(path), voxels_of(str(path)), voxels_of(frame.iloc[0]), voxels_of({"record": path})]
    for voxels in found:
        assert voxels.need("layer") == pytest.approx(planted().layer, abs=1e-6)
        assert voxels.surface is not None
        np.testing.assert_array_equal(voxels.surface.hemisphere, planted().surface.hemisphere)  # type: ignore[union-attr]
        assert voxels.title == "toy/net, factortopy, subject 1"
    assert voxels_of(found[0]) is found[0]


def test_a_row_of_another_table_is_refused() -> None:
    with pytest.raises(UsageError, match="column `record`"):
        voxels_of({"r2": 1})


def test_a_lost_array_is_no_silent_gap(tmp_path: Path) -> None:
    path = write_fit(tmp_path, record(), table())
    shutil.rmtree(tmp_path / f"{record().key}.zarr" / "selectors.layer")
    with pytest.raises(StoreError, match="missing or damaged; run the same command again"):
        voxels_of(path)


def test_a_job_that_failed_says_why(tmp_path: Path) -> None:
    failed = record(status="failed", failure=Failure("toy 1", "fit", "ValueError", "no luck"))
    with pytest.raises(UsageError, match="ValueError: no luck"):
        voxels_of(write_fit(tmp_path, failed, table()))


def test_an_encoder_without_a_selector_is_named(tmp_path: Path) -> None:
    path = write_fit(
        tmp_path, record(), table(), without=("layer", "space", "scale", "channel", "correlation", "likeness")
    )
    voxels = voxels_of(path)
    assert voxels.need("r2").shape == (60,)
    with pytest.raises(UsageError, match="the record has no stored layer selector") as told:
        voxels.need("layer")
    assert "\n" not in str(told.value)


def test_names_are_as_on_the_board(tmp_path: Path) -> None:
    fits(tmp_path)
    both = chosen_voxels(tmp_path, "toy/net")
    assert both.count == 120
    assert both.title == "toy/net, factortopy, 2 subjects"
    assert [one.dataset.subject for one in both.records] == ["1", "2"]
    assert chosen_voxels(tmp_path, "toy/net", subject="2").count == 60


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"backbone": "toy/nett"},
            r"NAME toy/nett: not in .* \(did you mean 'toy/net'\?\); there are: toy/net, toy/other",
        ),
        ({"encoder": "classtoken"}, "--encoder classtoken: not in"),
        ({"subject": "9"}, "--subject 9: not in .*; there are: 1, 2"),
        ({"seed": 3}, "--seed 3: not in"),
        ({"dataset": "demo"}, "--dataset demo: not in"),
    ],
    ids=str,
)
def test_what_is_not_there_is_answered_with_what_is(tmp_path: Path, asked: dict[str, object], message: str) -> None:
    fits(tmp_path)
    arguments: dict[str, object] = {"backbone": "toy/net"} | asked
    with pytest.raises(UsageError, match=message):
        chosen_voxels(tmp_path, **arguments)  # type: ignore[arg-type]


def test_two_rows_of_one_name_are_not_mixed(tmp_path: Path) -> None:
    fits(tmp_path)
    write_fit(tmp_path, record("1", key="c" * 64), table())
    with pytest.raises(UsageError, match="more than one row of toy/net x factortopy"):
        chosen_voxels(tmp_path, "toy/net")


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="brainbench run --results"):
        chosen_voxels(tmp_path / "none", "toy/net")


def part(vertex: list[int], value: list[float], inside: list[bool]) -> Voxels:
    places = np.array(vertex)
    surface = Surface("fsaverage5", np.full(len(places), "left"), places)
    return Voxels(
        "one", r2=np.array(value), rois={"V1": np.array(inside)}, surface=surface, channel=np.ones((len(places), 2))
    )


def test_subjects_are_averaged_vertex_by_vertex() -> None:
    parts = [
        part([3, 1], [0.2, 0.4], [True, True]),
        part([3, 7], [0.4, 0.1], [False, False]),
        part([1], [0.6], [False]),
    ]
    whole = together(parts, "all")
    assert whole.surface is not None
    assert whole.surface.vertex.tolist() == [1, 3, 7]
    assert whole.need("r2") == pytest.approx([0.5, 0.3, 0.1])
    assert whole.rois["V1"].tolist() == [True, True, False]
    assert whole.channel is None


def test_hemispheres_are_not_mixed() -> None:
    right = replace(part([1], [1.0], [True]), surface=Surface("fsaverage5", np.array(["right"]), np.array([1])))
    whole = together([part([1], [0.0], [False]), right], "all")
    assert whole.need("r2").tolist() == [0.0, 1.0]


def test_subjects_with_other_layers_are_refused() -> None:
    with pytest.raises(UsageError, match="the subjects' layers differ"):
        together([table(layers=3), table(layers=4)], "all")


def test_matrices_of_layers_are_averaged_without_a_mesh() -> None:
    whole = together([table(), replace(table(), likeness=np.zeros((3, 3)))], "all")
    np.testing.assert_allclose(whole.need("likeness"), np.eye(3) / 2)
