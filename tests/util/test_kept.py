"""What a cache keeps is made once, proven at every reading, and made again when it is damaged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from brainbench.util.kept import is_kept, kept


def write_file(draft: Path) -> None:
    draft.write_bytes(b"content" * 9)


def write_folder(draft: Path) -> None:
    (draft / "inner").mkdir(parents=True)
    (draft / "a").write_bytes(b"a" * 9)
    (draft / "inner/b").write_bytes(b"b" * 9)


def counted(write: Callable[[Path], None]) -> tuple[list[Path], Callable[[Path], None]]:
    calls: list[Path] = []

    def make(draft: Path) -> None:
        calls.append(draft)
        write(draft)

    return calls, make


def content(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return {one.relative_to(path).as_posix(): one.read_bytes() for one in files}


@pytest.mark.parametrize(("write", "victim"), [(write_file, ""), (write_folder, "inner/b")])
@pytest.mark.parametrize("how", ["flip", "cut", "remove", "no seal", "seal cut"])
def test_damage_is_noticed_and_mended(
    tmp_path: Path, write: Callable[[Path], None], victim: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls, make = counted(write)
    path, seal = tmp_path / "made", tmp_path / "made.sha256"
    assert not is_kept(path)
    first = content(kept(path, make))
    assert content(kept(path, make)) == first
    assert is_kept(path)
    assert len(calls) == 1
    file = path / victim
    match how:
        case "flip":
            file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])
        case "cut":
            file.write_bytes(file.read_bytes()[:-1])
        case "remove":
            file.unlink()
        case "no seal":
            seal.unlink()
        case "seal cut":
            seal.write_bytes(seal.read_bytes()[:9])
    assert content(kept(path, make)) == first
    assert len(calls) == 2
    assert ("damaged" in caplog.text) == (how != "remove" or bool(victim))
    assert {one.name for one in tmp_path.iterdir()} == {"made", "made.sha256", ".made.lock"}


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(draft: Path) -> None:
        draft.write_bytes(b"half")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        kept(tmp_path / "made", fail)
    assert [one.name for one in tmp_path.iterdir()] == [".made.lock"]


def test_two_processes_make_it_once(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from brainbench.util.kept import kept\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "def make(draft):\n"
        "    with (folder / 'calls').open('a') as calls: calls.write('x')\n"
        "    draft.write_text('made' * 100_000)\n"
        "assert kept(folder / 'made', make).read_text() == 'made' * 100_000\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert (tmp_path / "calls").read_text() == "x"
