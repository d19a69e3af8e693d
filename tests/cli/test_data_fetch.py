"""``brainbench data fetch``: the licence is asked about once, and the last line runs the dataset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy
from publisher import publishing

import brainbench.registry
from brainbench.cli import main


def test_from_nothing_to_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAINBENCH_CACHE", str(tmp_path / "cache"))

    def go(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    with publishing({"a.npy": b"abc"}) as server:
        card = toy.dataset(downloads=server.remote(), takes_data=True, licence="CC0")
        other = toy.dataset()
        monkeypatch.setattr(brainbench.registry, "installed", lambda: toy.registry(datasets=[card]))
        code, out, err = go("data", "fetch", "toydata")
        assert (code, out, server.asked) == (2, "", [])
        assert "toydata: CC0; 1 files, 0.0 MB, to " in err
        assert "the licence of toydata was not accepted (CC0): nothing is downloaded; give --yes to accept it" in err
        code, out, _ = go("data", "fetch", "toydata", "--yes")
        assert (code, out) == (0, "brainbench run --dataset toydata\n")
        assert (tmp_path / "cache/data/toydata/a.npy").read_bytes() == b"abc"
        code, out, err = go("data", "fetch", "toydata")
        assert (code, out, err) == (0, "brainbench run --dataset toydata\n", "")
        code, out, _ = go("data", "fetch", "toydata", "--to", "my data", "--yes", "--mirror", server.url)
        assert (code, out) == (0, "brainbench run --dataset toydata --data 'my data'\n")
        assert (tmp_path / "my data/a.npy").exists()
        code, out, _ = go("list", "datasets", "--json")
        assert [(row["name"], row["fetches"]) for row in json.loads(out)] == [("toydata", True)]
        monkeypatch.setattr(brainbench.registry, "installed", lambda: toy.registry(datasets=[other]))
        code, _, err = go("data", "fetch", "toydata")
        assert (code, err) == (
            2,
            "brainbench: toydata: cannot be downloaded by brainbench; available: none installed\n",
        )
