from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
import zarr

from brainbench import StoreError, UsageError
from brainbench.commands.verify import Verification, verify
from brainbench.leaderboard.files import board_files, write_boards
from brainbench.leaderboard.shown_metrics import MetricRequest
from brainbench.planning.request import Request
from brainbench.records import Record
from brainbench.registry import Registry
from brainbench.results.arrays import array_digest
from brainbench.results.store import read_record, read_records
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders
from brainbench.util.hashing import digest
from brainbench.util.progress import Silent

Edit = Callable[[dict[str, Any]], None]


class Subjects(toy.ToyData):
    """Each subject saw pictures of its own names."""

    def stimuli(self, subject: str) -> toy.Stimuli:
        shown = super().stimuli(subject)
        return replace(shown, ids=tuple(f"s{subject}-{name}" for name in shown.ids))


@dataclass
class Bench:
    """Runs, edits and verifies one results folder."""

    folders: Folders
    registry: Registry

    def run(self, *, keep: str = "all", **asked: Any) -> list[Record]:
        request = Request(**{"dataset": "toydata", "encoders": "toyfit", **asked})
        benchmark = Benchmark.open(request, self.registry, self.folders, device="cpu", keep=keep)
        return list(benchmark.run(Silent()))

    def verify(self, **asked: Any) -> Verification:
        return verify(self.folders, self.registry, **asked)

    def problems(self) -> list[str]:
        return [problem.what for problem in self.verify().problems]

    def edit(self, record: Record, edit: Edit, *, signed: bool) -> None:
        """Change a record's file; signed: as somebody would who also writes a digest that fits, and the boards."""
        path = self.folders.results / f"{record.key}.json"
        content = json.loads(path.read_text())
        edit(content)
        if signed:
            del content["digest"]
            content["digest"] = digest(content)
        path.write_text(json.dumps(content))
        if signed:
            write_boards(self.folders)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    folders = Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")
    return Bench(folders, toy.registry(datasets=[toy.dataset(Subjects())]))


@pytest.fixture
def fitted(bench: Bench) -> Record:
    return next(record for record in bench.run() if record.encoder)


def _set(*path: str, value: object) -> Edit:
    def edit(content: dict[str, Any]) -> None:
        inner = content
        for name in path[:-1]:
            inner = inner[name]
        assert path[-1] in inner
        inner[path[-1]] = value

    return edit


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_clean_folder_is_verified_and_nothing_is_written(bench: Bench, fitted: Record) -> None:
    before = snapshot(bench.folders.results) | snapshot(bench.folders.leaderboards)
    found = bench.verify()
    assert (found.verified, found.digest_only, found.problems) == (2, 1, [])
    assert dict(found.remarks) == {"count: not recomputed (needs tokens)": 1}
    assert snapshot(bench.folders.results) | snapshot(bench.folders.leaderboards) == before


CHANGED: list[tuple[Edit, str]] = [
    (_set("metrics", "r2", "values", "all", value=0.9), "metrics.r2.values.all: stored 0.9, recomputed 0.99"),
    (_set("metrics", "r2", "display", "direction", value="lower"), "metrics.r2.display.direction: stored lower, recomputed higher"),
    (_set("dataset", "rois", "V1", value=4), "dataset.rois.V1: stored 4, found 3"),
    (_set("dataset", "split_sizes", "test", value=21), "dataset.split_sizes.test: stored 21, found 20"),
]  # fmt: skip


@pytest.mark.parametrize("edit", [edit for edit, _ in CHANGED] + [_set("cost", "wall_s", value=0.125)])
def test_a_changed_digit_is_found_by_the_digest(bench: Bench, fitted: Record, edit: Edit) -> None:
    bench.edit(fitted, edit, signed=False)
    first, *_ = bench.verify().problems
    assert first.where == f"{fitted.key[:16]} toy/net x toyfit, subject 1, seed 0"
    assert first.what.startswith("digest: stored ")
    assert first.what.endswith(f"something in {fitted.key}.json was changed")


@pytest.mark.parametrize(("edit", "said"), CHANGED)
def test_with_a_digest_that_fits_it_is_found_by_computing_again(
    bench: Bench, fitted: Record, edit: Edit, said: str
) -> None:
    bench.edit(fitted, edit, signed=True)
    (problem,) = bench.problems()
    assert problem.startswith(said)


def test_the_digest_covers_all_the_rest_and_ignores_the_layout(bench: Bench, fitted: Record) -> None:
    path = bench.folders.results / f"{fitted.key}.json"
    content = json.loads(path.read_text())
    assert content.pop("digest") == digest(content)
    assert fitted.to_json() == {**content, "digest": digest(content)}
    bench.edit(fitted, lambda content: None, signed=False)  # written without indents
    assert bench.problems() == []


def test_a_record_of_an_earlier_version_is_readable_and_counted(bench: Bench, fitted: Record) -> None:
    def earlier(content: dict[str, Any]) -> None:
        del content["digest"], content["dataset"]["changed"]

    bench.edit(fitted, earlier, signed=False)
    assert read_record(bench.folders.results / f"{fitted.key}.json").metrics == fitted.metrics
    found = bench.verify()
    assert (found.verified, found.problems) == (2, [])
    assert found.remarks["no digest (written by an earlier version)"] == 1


@pytest.mark.parametrize("name", ["predictions", "selectors.layer", "per_voxel.r2"])
def test_a_changed_byte_in_an_array_is_found(bench: Bench, fitted: Record, name: str) -> None:
    chunk = next(p for p in (bench.folders.results / f"{fitted.key}.zarr" / name / "c").rglob("*") if p.is_file())
    content = bytearray(chunk.read_bytes())
    content[2] ^= 1
    chunk.write_bytes(content)
    stored = fitted.artifacts[f"{fitted.key}.zarr/{name}"][:16]
    assert bench.problems() == [f"{fitted.key}.zarr/{name}: stored sha256 {stored}, found nothing readable"]


def test_a_changed_byte_in_the_parameters_is_found(bench: Bench, fitted: Record) -> None:
    path = bench.folders.results / f"{fitted.key}.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    (problem,) = bench.problems()
    assert problem.startswith(f"{fitted.key}.safetensors: stored sha256 ")


def test_a_figure_of_one_voxel_is_found(bench: Bench, fitted: Record) -> None:
    array = zarr.open_group(bench.folders.results / f"{fitted.key}.zarr", mode="r+")["per_voxel.r2"]
    values = np.asarray(array[...])
    values[4] = 0.25
    array[...] = values
    bench.edit(fitted, _set("artifacts", f"{fitted.key}.zarr/per_voxel.r2", value=array_digest(values)), signed=True)
    (problem,) = bench.problems()
    assert problem.startswith("per_voxel.r2[4]: stored 0.25, recomputed 0.99")
    assert problem.endswith("(1 of 6 voxels)")


def test_predictions_of_another_record_are_found_and_named(bench: Bench, fitted: Record) -> None:
    folder = bench.folders.results
    other = next(p for p in folder.glob("*.zarr") if p.stem != fitted.key)
    shutil.rmtree(folder / f"{fitted.key}.zarr")
    shutil.copytree(other, folder / f"{fitted.key}.zarr")
    arrays = zarr.open_group(other, mode="r")
    digests = {name: array_digest(np.asarray(arrays[name][...])) for name, _ in arrays.arrays()}
    said = f"{fitted.key}.zarr: the predictions do not belong to this record: test id 0 is s2-im004, the dataset's is s1-im004"
    assert said in bench.problems()
    # Also when the record was made to fit them.
    artifacts = fitted.artifacts | {f"{fitted.key}.zarr/{name}": sha for name, sha in digests.items()}
    bench.edit(fitted, _set("artifacts", value=artifacts), signed=True)
    assert bench.problems() == [said]


def test_predictions_that_are_gone_are_said(bench: Bench, fitted: Record) -> None:
    shutil.rmtree(bench.folders.results / f"{fitted.key}.zarr")
    assert f"{fitted.key}.zarr: the test ids of the predictions cannot be read" in bench.problems()


def test_a_record_under_another_name_is_found(bench: Bench, fitted: Record) -> None:
    folder = bench.folders.results
    (folder / f"{fitted.key}.json").rename(folder / "another.json")
    (found,) = [one for one in bench.verify().problems if one.where == "another.json"]
    assert "64 hexadecimal digits and the file's name" in found.what


def test_a_damaged_record_is_a_problem(bench: Bench, fitted: Record) -> None:
    (bench.folders.results / f"{fitted.key}.json").write_text("{")
    first, *_ = bench.verify().problems
    assert first.where == f"{fitted.key}.json"
    assert "not a readable record" in first.what


def test_another_dataset_is_told_by_what_differs(bench: Bench, fitted: Record) -> None:
    bench.registry = toy.registry(datasets=[toy.dataset(Subjects(version="2", count=50))])
    first, _ = bench.problems()
    assert first.startswith("dataset: not the one that the record is about: version (stored 1, found 2), stimuli_key (")
    assert "responses_key" not in first


def test_the_dataset_is_opened_with_the_settings_of_the_record_or_else_the_defaults(bench: Bench) -> None:
    card = replace(
        toy.dataset(),
        settings=(toy.Setting("images", int, 100, "how many"),),
        loader=lambda *, settings, data, cache: toy.ToyData(count=settings["images"]),
    )
    bench.registry = toy.registry(datasets=[card])
    bench.run()
    records = bench.run(settings=("toydata.images=50",))
    assert {record.dataset.changed["images"] for record in records} == {50}
    assert bench.verify().verified == 4
    # A record of an earlier version does not name them.
    for path in bench.folders.results.glob("*.json"):
        content = json.loads(path.read_text())
        del content["digest"], content["dataset"]["changed"]
        path.write_text(json.dumps(content))
    found = bench.verify()
    assert found.verified == 2
    of_records = [p for p in found.problems if not p.where.startswith(str(bench.folders.leaderboards))]
    assert all(p.what.startswith("dataset: not the one that the record is about: ") for p in of_records)
    assert len(of_records) == 2


def test_a_fit_on_fewer_images_is_verified_as_such(bench: Bench) -> None:
    bench.run(settings=("toydata.train_images=20,0",))
    found = bench.verify()
    assert (found.verified, found.problems) == (4, [])


def test_a_dataset_that_needs_data_says_what_to_pass(bench: Bench, tmp_path: Path) -> None:
    bench.registry = toy.registry(datasets=[toy.dataset(needs_data=True)])
    bench.run(data=tmp_path)
    with pytest.raises(UsageError, match="--verify scores the records of toydata again and needs --data PATH"):
        bench.verify()
    assert bench.verify(data=tmp_path).verified == 2


def test_an_unknown_dataset_or_subject_is_a_problem(bench: Bench, fitted: Record) -> None:
    bench.edit(fitted, _set("dataset", "subject", value="9"), signed=False)
    assert "dataset.subject: stored 9, the dataset has 1, 2" in bench.problems()
    bench.edit(fitted, _set("dataset", "name", value="toydat"), signed=False)
    assert any(p.startswith("dataset: unknown dataset 'toydat' (did you mean 'toydata'?)") for p in bench.problems())


def test_without_predictions_digest_and_boards_are_checked(bench: Bench) -> None:
    record = next(r for r in bench.run(keep="scores") if r.encoder)
    found = bench.verify()
    assert (found.verified, found.digest_only, found.problems) == (0, 3, [])
    bench.edit(record, _set("metrics", "r2", "values", "all", value=0.5), signed=False)
    digests, *boards = bench.verify().problems
    assert digests.what.startswith("digest: ")
    assert [Path(board.where).suffix for board in boards] == [".csv", ".json", ".md", ".tex"]


def test_changed_and_missing_boards_are_named(bench: Bench, fitted: Record) -> None:
    csv, md = bench.folders.leaderboards / "toydata.csv", bench.folders.leaderboards / "toydata.md"
    csv.write_bytes(csv.read_bytes().replace(b"\n", b"\r\n"))
    md.unlink()
    first, second = bench.verify().problems
    assert (first.where, second.where) == (str(csv), str(md))
    assert first.what.startswith("is not what the records make; `brainbench leaderboard ")
    assert second.what.startswith("is not there; `brainbench leaderboard ")


def test_a_metric_with_settings_is_scored_with_them(bench: Bench) -> None:
    bench.run(settings=("r2.bonus=2",))
    assert bench.verify().verified == 2


def test_a_metric_that_is_not_the_installed_one_is_counted(bench: Bench, fitted: Record) -> None:
    bench.registry = toy.registry(metrics=[replace(toy.R2, version="2"), toy.COUNT], datasets=[toy.dataset(Subjects())])
    assert bench.verify().remarks["r2: not recomputed (not verifiable: version 1 was scored, 2 is installed)"] == 2
    bench.registry = toy.registry(metrics=[toy.COUNT], datasets=[toy.dataset(Subjects())])
    assert bench.verify().remarks["r2: not recomputed (not installed)"] == 2


def test_a_metric_that_raises_is_a_problem(bench: Bench, fitted: Record) -> None:
    broken = replace(toy.R2, loader=lambda *, settings: 1 / 0)
    bench.registry = toy.registry(metrics=[broken, toy.COUNT], datasets=[toy.dataset(Subjects())])
    assert bench.problems() == ["metrics.r2: cannot be scored again: ZeroDivisionError: division by zero"] * 2


def test_a_second_record_of_a_cell_is_not_what_the_boards_were_made_of(bench: Bench, fitted: Record) -> None:
    copy = replace(fitted, key="0" * 64, artifacts={})
    (bench.folders.results / f"{copy.key}.json").write_text(json.dumps(copy.to_json()))
    found = bench.verify().problems
    assert {Path(problem.where).suffix for problem in found} == {".md", ".csv", ".json", ".tex"}
    assert all(problem.what.startswith("is not what the records make; ") for problem in found)
    cell = f"subject {fitted.dataset.subject}, seed {fitted.seed}: two records describe it: delete one of them"
    made = board_files(read_records(bench.folders.results), bench.folders.results, MetricRequest())
    assert cell in made[Path("toydata.md")]


def test_one_dataset_alone(bench: Bench, fitted: Record) -> None:
    assert bench.verify(dataset="toydata").verified == 2
    with pytest.raises(StoreError, match="no records of demo; make some with `brainbench run"):
        bench.verify(dataset="demo")
