"""Files and folders take their names whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from brainbench.errors import StoreError
from brainbench.util.files import drafted, file_name, storage, write_atomically


def drafts(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".draft")]


def test_a_file_takes_its_name_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    write_atomically(path, b"before")
    with drafted(path) as draft:
        draft.write_bytes(b"after")
        assert path.read_bytes() == b"before"
        assert draft.parent == path.parent
    assert path.read_bytes() == b"after"
    assert not drafts(tmp_path)


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "group"
    for number in range(2):
        with drafted(path) as draft:
            draft.mkdir()
            (draft / f"{number}").write_text("x")
        assert [one.name for one in path.iterdir()] == [f"{number}"]
    assert [one.name for one in tmp_path.iterdir()] == ["group"]


@pytest.mark.parametrize("folder", [False, True])
def test_what_raises_leaves_what_was_there(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "a"
    path.write_text("before")

    def fail() -> None:
        with drafted(path) as draft:
            if folder:
                draft.mkdir()
                draft = draft / "inner"
            draft.write_text("half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        fail()
    assert path.read_text() == "before"
    assert not drafts(tmp_path)


def test_two_writers_have_drafts_of_their_own(tmp_path: Path) -> None:
    # Processes on two machines may have one number; their drafts must not have one name.
    path = tmp_path / "a"
    with drafted(path) as one, drafted(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"


def test_what_a_kill_left_is_removed_after_a_day(tmp_path: Path) -> None:
    path = tmp_path / "a[1]"
    old, fresh = tmp_path / f".{path.name}.old.draft", tmp_path / f".{path.name}.fresh.draft"
    for draft in (old, fresh):
        draft.write_text("half")
    long_ago = time.time() - 25 * 3600
    os.utime(old, (long_ago, long_ago))
    write_atomically(path, b"whole")
    assert drafts(tmp_path) == [fresh.name]


COUNTS = """
import sys
from pathlib import Path
from brainbench.util.files import locked, write_atomically
path = Path(sys.argv[1])
for _ in range(20):
    with locked(path.parent / "deep" / "a.lock"):
        write_atomically(path, str(int(path.read_text()) + 1).encode())
"""


def test_a_lock_keeps_two_processes_apart(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", COUNTS, str(path)]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert path.read_text() == "40"


@pytest.mark.parametrize("name", ["lab/things", "/tmp/victim/README", "../victim", "..", "a/../../b", "C:\\victim"])
def test_a_name_with_slashes_is_a_name_in_its_folder(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{file_name(name)}.md"
    path.write_text("board")
    assert path.resolve().parent == tmp_path.resolve()
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_an_ordinary_name_is_its_own_file_name() -> None:
    assert file_name("algonauts2023.layers v1") == "algonauts2023.layers v1"


def test_a_folder_in_the_way_of_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "board.md").mkdir()
    message = r"cannot write .*board\.md: a folder has the name of the file that is needed: move it"
    with pytest.raises(StoreError, match=message), storage(tmp_path):
        write_atomically(tmp_path / "board.md", b"board")
