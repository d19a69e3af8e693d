"""The rules of the tree: imports go one way, the command line starts light, modules stay small, names are public on purpose."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import brainbench

ROOT = Path(brainbench.__file__).parent
STAGES = ("images", "tokens", "features", "encoding", "scores", "results", "leaderboard")
# Lower numbers may not import higher ones.
LEVELS = [
    {"errors", "types", "hashing", "machine", "differences", "resampling", "layers", "watching"},
    {"records", "cards", "protocols", "reporting"},
    {"hookspecs", "checkpoints", "preprocessing", "paper", "places", "releases"},
    {"plugins", "modules", "caching"},
    {"registry", "keys"},
    {"settings", "subsets", "picks"},
    {"selection"},
    {"matrix", "fitting", "pipeline", "datasets"},
    {"facts", "estimate", "testing", "boards", "plot"},
    {"report"},
    {"runner"},
    {"benchmark"},
    {"api", "checking", "citations", "extraction", "inspection", "making", "scaffold", "verification", "weights"},
    {"cli"},
    {"__main__", "__init__"},
]
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}
MODULES = sorted(ROOT.rglob("*.py"))
# What a plugin may import besides the names of `brainbench` itself.
PUBLIC = {"brainbench", "brainbench.datasets", "brainbench.fitting", "brainbench.plot", "brainbench.testing"}


def imports(path: Path) -> set[str]:
    """Every brainbench module that a file imports at run time, wherever in the file."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {
                f"{node.module}.{alias.name}" for alias in node.names if node.module == "brainbench"
            }
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "brainbench"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


@pytest.mark.parametrize("path", [p for p in MODULES if name_of(p) not in ("builtin", "__init__")], ids=str)
def test_imports_go_one_way(path: Path) -> None:
    own = LEVEL[name_of(path)]
    for module in imports(path):
        parts = module.split(".")
        if len(parts) > 1 and parts[1] in LEVEL and parts[1] != name_of(path):
            assert LEVEL[parts[1]] < own, f"{path.name} imports {module}"


def test_every_module_has_a_level() -> None:
    names = {name_of(path) for path in MODULES} - {"builtin"}
    assert names <= LEVEL.keys(), f"give {sorted(names - LEVEL.keys())} a level"


@pytest.mark.parametrize("path", sorted((ROOT / "pipeline").rglob("*.py")), ids=str)
def test_stages_do_not_import_each_other(path: Path) -> None:
    own = path.relative_to(ROOT / "pipeline").parts[0].removesuffix(".py")
    others = {f"brainbench.pipeline.{stage}" for stage in STAGES if stage != own}
    assert not [m for m in imports(path) if any(m == o or m.startswith(o + ".") for o in others)]


def test_only_runner_boards_benchmark_and_verification_join_stages() -> None:
    # What verifies goes the way of a run once more, from stored predictions to boards.
    for path in MODULES:
        stages = {m.split(".")[2] for m in imports(path) if m.startswith("brainbench.pipeline.")}
        if name_of(path) not in ("pipeline", "runner", "boards", "benchmark", "verification"):
            assert len(stages) <= 1, f"{path} joins {sorted(stages)}"


def plugin_sources() -> list[Path]:
    return sorted([*(ROOT / "builtin").rglob("*.py"), *(ROOT.parent / "plugins").glob("*/src/**/*.py")])


@pytest.mark.parametrize("path", plugin_sources(), ids=str)
def test_builtins_and_plugins_use_public_names_only(path: Path) -> None:
    for module in imports(path):
        if module.startswith("brainbench.builtin"):
            continue
        name = module.removeprefix("brainbench.")
        assert module in PUBLIC or name in brainbench.__all__, f"{path.name} imports {module}"


def test_no_module_is_over_400_lines() -> None:
    long = [p.name for p in [*MODULES, *plugin_sources()] if len(p.read_text().splitlines()) > 400]
    assert not long


def test_all_is_complete() -> None:
    # Its order is ruff's business (RUF022).
    assert len(set(brainbench.__all__)) == len(brainbench.__all__)
    assert all(hasattr(brainbench, name) for name in brainbench.__all__)
    assert dir(brainbench) == sorted(brainbench.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = brainbench.nothing


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["list"],
        ["list", "backbones", "--json"],
        ["plugins"],
        ["cache"],
        ["data", "check", "--help"],
        ["data", "make", "--help"],
        ["report", "--help"],
    ],
    ids=" ".join,
)
def test_light_commands_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from brainbench.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'pandas', 'nilearn', 'numpy', 'zarr', 'sklearn', 'PIL'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    environment = {"BRAINBENCH_CACHE": str(tmp_path), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
