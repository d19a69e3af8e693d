"""The plugin that the README shows, as its reader would make it: built as a wheel, installed in a new environment, run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from experiment import write_experiment

pytestmark = pytest.mark.slow

README = Path(__file__).parents[1] / "README.md"
Shell = Callable[..., subprocess.CompletedProcess[str]]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), flags=re.M | re.S)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plugin")


@pytest.fixture(scope="module")
def shell(place: Path) -> Shell:
    """Run a program in the folder ``place``, told to write nowhere else; fails with what it said."""
    for name in ("home", "temporary"):
        (place / name).mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")} | {
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "temporary"),
        "BRAINBENCH_CACHE": str(place / "cache"),
        "PIP_CACHE_DIR": str(place / "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }

    def go(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(argument) for argument in arguments]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done

    return go


@pytest.fixture(scope="module")
def wheel(place: Path, shell: Shell) -> Path:
    source = place / "source"
    source.mkdir()
    (source / "pyproject.toml").write_text(next(code for code in blocks("toml") if "[project]" in code))
    (source / "brainbench_mymodel.py").write_text(next(code for code in blocks("python") if "hookimpl" in code))
    shell(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place / "dist", source)
    (built,) = (place / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def brainbench(place: Path, shell: Shell, wheel: Path) -> Shell:
    """``brainbench(...)``: the command line in a new environment that holds the wheel and, beneath it, what is installed here."""
    shell(sys.executable, "-m", "venv", "--without-pip", place / "venv")
    python = place / "venv/bin/python"
    (packages,) = (place / "venv/lib").glob("python*/site-packages")
    here = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    # addsitedir, unlike a plain line, also reads the .pth files of editable installs.
    (packages / "beneath.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in here))
    shell(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", wheel)
    assert (packages / "brainbench_mymodel.py").exists()
    return lambda *arguments: shell(python, "-m", "brainbench", *arguments)


def test_the_wheel_holds_the_module_and_nothing_else(wheel: Path) -> None:
    import zipfile

    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert names == ["brainbench_mymodel.py"]


def test_it_is_listed(brainbench: Shell) -> None:
    rows = {row["name"]: row for row in json.loads(brainbench("list", "backbones", "--json").stdout)}
    mine = rows["mymodel/small"]
    assert (mine["plugin"], mine["version"], mine["default"]) == ("brainbench-plugin-mymodel", "0.1.0", True)
    plugins = {row["distribution"]: row for row in json.loads(brainbench("plugins", "--json").stdout)}
    assert plugins["brainbench-plugin-mymodel"]["brings"] == {"backbones": ["mymodel/small"]}
    assert plugins["brainbench-plugin-mymodel"]["error"] is None


def test_it_runs_and_is_among_all(brainbench: Shell, place: Path) -> None:
    data = write_experiment(place / "mine")
    quick = ("--encoders", "classtoken", "--set", "classtoken.steps=20", "--dataset", "folder", "--data", data)
    planned = brainbench("run", "--backbones", "all", "--dry-run", "--no-controls", *quick).stdout
    assert "  mymodel/small: family mymodel, weights untrained\n" in planned
    told = brainbench("run", "--backbones", "mymodel/small", "--no-controls", *quick).stderr
    assert "[2/2] mymodel/small x classtoken, subject 1, seed 0: R2 " in told
    rows = [line for line in (place / "leaderboards/folder.md").read_text().splitlines() if "| mymodel/small" in line]
    assert len(rows) == 1
    assert re.search(r"\| classtoken steps=20 .*\| +1/1 \|$", rows[0])


WRITTEN = {"backbone": "fresh", "encoder": "freshfit", "metric": "freshscore", "dataset": "freshdata"}


def test_what_new_writes_passes_its_own_tests_and_the_check(brainbench: Shell, shell: Shell, place: Path) -> None:
    """All four kinds, installed and tested together: each start of a program costs seconds."""
    sources, wheels = [], []
    for kind, name in WRITTEN.items():
        told = brainbench("new", kind, name, "--into", place / "new").stdout
        source = place / "new" / f"brainbench-plugin-{name}"
        assert f"wrote {source}; next: pip install -e {source} && brainbench check {name}" in told
        shell(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", source)
        sources.append(source)
        wheels += (source / "dist").iterdir()
    python = place / "venv/bin/python"
    shell(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", *wheels)
    passed = shell(python, "-m", "pytest", "-q", "-rA", "--import-mode=importlib", "-p", "no:cacheprovider", *sources)
    for name in WRITTEN.values():
        assert re.search(rf"^PASSED .*/test_{name}\.py::", passed.stdout, flags=re.M)
    assert not re.search(r"\d+ (failed|error|skipped|warning)", passed.stdout.splitlines()[-1])
    shell(sys.executable, "-m", "ruff", "check", "--no-cache", *sources)
    shell(sys.executable, "-m", "ruff", "format", "--no-cache", "--check", *sources)
    for card in ("fresh/small", "freshscore", "freshdata"):
        rows = json.loads(brainbench("check", card, "--json").stdout)
        assert rows
        assert all(row["passed"] for row in rows)
