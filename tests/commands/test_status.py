"""What ``brainbench status`` says of a results folder: out of records, locks and notes."""

from __future__ import annotations

import errno
import fcntl
import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fits import fit

from brainbench import StoreError
from brainbench.cli import main
from brainbench.commands.status import Watch
from brainbench.records import Failure
from brainbench.results.store import write_record
from brainbench.results.under_way import end_plan, noted, notes, planned, write_plan
from brainbench.util.files import can_lock, held
from brainbench.util.folders import Folders, lock_file


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """One job done, one failed, one under way, one that was killed, and one that waits."""
    done, failed = fit("a", 0.3), fit("b", 0.3, status="failed", failure=Failure("toy 1.0", "fit", "ValueError", "no"))
    for record in (done, failed):
        write_record(tmp_path, record)
    keys = [done.key, failed.key, "c" * 64, "d" * 64, "e" * 64]
    write_plan(tmp_path, "run", dict(zip(keys, "abcde", strict=True)))
    with noted(tmp_path, keys[3], "d", pytest.fail):
        left = (tmp_path / f".runs/at-work/{keys[3]}.json").read_bytes()
    (tmp_path / f".runs/at-work/{keys[3]}.json").write_bytes(left)
    return tmp_path


def test_every_job_is_in_one_state(results: Path) -> None:
    folders = Folders(results, results, results)
    with folders.locked(results, "c" * 64), noted(results, "c" * 64, "c", pytest.fail):
        now = Watch(results).look()
        assert (now.done, now.waiting, now.locks, now.over) == (1, ("e",), True, False)
        assert [(note.label, note.host) for note in now.running] == [("c", socket.gethostname())]
        assert [note.label for note in now.stopped] == ["d"]
        assert dict(now.failed) == {"b x fit, subject 1, seed 0": "toy 1.0 failed at fit: ValueError: no"}
    assert [len(several) for several in (Watch(results).look().running, Watch(results).look().waiting)] == [0, 2]


def test_a_job_that_is_done_again_is_running(results: Path) -> None:
    key = fit("a", 0.3).key
    with Folders(results, results, results).locked(results, key), noted(results, key, "a", pytest.fail):
        now = Watch(results).look()
    assert (now.done, [note.label for note in now.running]) == (0, ["a"])
    assert Watch(results).look().done == 1


def test_a_record_is_read_again_when_it_changes(results: Path) -> None:
    watch = Watch(results)
    assert watch.look().done == 1
    failed = fit("b", 0.3, status="failed", failure=Failure("toy 1.0", "fit", "ValueError", "no"))
    write_record(results, replace(failed, status="done", failure=None))
    assert (watch.look().done, dict(watch.look().failed)) == (2, {})


def test_a_folder_without_any_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no records; make some with `brainbench run --results"):
        Watch(tmp_path).look()


def test_a_run_that_is_over_waits_for_nothing(results: Path) -> None:
    end_plan(results, "run")
    assert planned(results) == {}
    assert Watch(results).look().waiting == ()


def test_two_machines_at_one_job_are_noticed(tmp_path: Path) -> None:
    heard = list[str]()
    with noted(tmp_path, "k", "job", heard.append):
        (note,) = (tmp_path / ".runs/at-work").iterdir()
        note.write_text(json.dumps(json.loads(note.read_text()) | {"host": "node7"}))
    (line,) = heard
    assert line.startswith(f"job: node7 began this job while {socket.gethostname()} was at it")
    assert notes(tmp_path)["k"].host == "node7"


def test_a_note_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    with noted(tmp_path, "k", "job", pytest.fail):
        assert set(notes(tmp_path)) == {"k"}
    (tmp_path / ".runs/at-work/k.json").write_text("{")
    assert notes(tmp_path) == {}


def test_locks_are_seen(tmp_path: Path) -> None:
    folders = Folders(tmp_path, tmp_path, tmp_path)
    lock = lock_file(tmp_path, "key")
    assert not held(lock)
    with folders.locked(tmp_path, "key"):
        assert held(lock)
    assert not held(lock)
    assert can_lock(tmp_path)


@pytest.mark.parametrize("reason", [errno.ENOLCK, errno.ENOSYS, None], ids=["no locks", "no call", "no effect"])
def test_a_file_system_that_cannot_lock_is_said(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reason: int | None
) -> None:
    def flock(file: Any, how: int) -> None:
        if reason is not None:
            raise OSError(reason, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert not Watch(results).look().locks
    with pytest.raises(SystemExit):
        main(["status", str(results)])
    assert "its file system cannot lock files" in capsys.readouterr().out


def test_the_command_shows_counts_and_reasons(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["status", str(results)])
    out = capsys.readouterr().out
    assert end.value.code == 0
    assert "done\t1\nfailed\t1\nrunning\t0\nwaiting\t2\nstopped\t1\n" in out
    assert "b x fit, subject 1, seed 0\ttoy 1.0 failed at fit: ValueError: no" in out
    assert "cannot lock" not in out


def test_watching_ends_when_nothing_is_left(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: (end_plan(results, "run"), write_record(results, fit("d", 0.1)))
                        and (results / f".runs/at-work/{'d' * 64}.json").unlink())  # fmt: skip
    with pytest.raises(SystemExit):
        main(["status", str(results), "--watch"])
    assert capsys.readouterr().out.splitlines()[-1] == "done 2, failed 1, running 0, waiting 0"


def test_json_has_every_field(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["status", str(results), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"done", "failed", "running", "stopped", "waiting", "locks"}
    assert found["stopped"][0]["label"] == "d"
