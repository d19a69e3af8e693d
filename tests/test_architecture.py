"""The rules of the tree: imports go one way, the command line starts light, modules stay small, names are public on purpose."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from fits import fit

import brainbench
from brainbench.results.store import write_record
from brainbench.testing.cases import HEAVY

ROOT = Path(brainbench.__file__).parent
# The rooms of the house, from the ground up: a folder imports what stands on lower floors, and nothing of its own floor.
FLOORS = [
    {"errors", "types"},
    {"util"},
    {"parts"},
    {"records", "cards", "protocols", "metrics"},
    {"engines", "backbones", "training"},
    {"hookspecs"},
    {"plugins"},
    {"registry"},
    {"planning", "pipeline", "results", "datasets", "fitting"},
    {"leaderboard", "testing"},
    {"plot"},
    {"runner", "report"},
    {"tuning"},
    {"commands", "api"},
    {"cli"},
    {"__init__", "__main__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# On the doorstep: the contract that a plugin author reads.
DOORSTEP = {
    "__init__",
    "__main__",
    "errors",
    "types",
    "records",
    "cards",
    "parts",
    "protocols",
    "engines",
    "hookspecs",
    "plugins",
    "registry",
}
MODULES = sorted(ROOT.rglob("*.py"))
# What a plugin may import besides the names of `brainbench` itself.
PUBLIC = {
    "brainbench",
    "brainbench.datasets",
    "brainbench.fitting",
    "brainbench.plot",
    "brainbench.testing",
    "brainbench.training",
}


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


def test_imports_go_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in MODULES
        if (room := name_of(path)) not in ("builtin", "__init__")
        for module in sorted(imports(path))
        if (other := [*module.split("."), ""][1]) in FLOOR and other != room and FLOOR[other] >= FLOOR[room]
    ]
    assert not wrong


def test_every_room_has_a_floor() -> None:
    assert {name_of(path) for path in MODULES} - {"builtin"} == FLOOR.keys()


def test_only_the_contract_is_on_the_doorstep() -> None:
    assert {path.stem for path in ROOT.glob("*.py")} == DOORSTEP


def test_stages_do_not_import_each_other() -> None:
    # A module that begins with an underscore is a part of the stage beside it.
    wrong = [
        f"{path.name} imports {module}"
        for path in (ROOT / "pipeline").glob("*.py")
        for module in imports(path)
        if module.startswith("brainbench.pipeline.") and not module.startswith("brainbench.pipeline._")
    ]
    assert not wrong


@pytest.mark.slow
def test_only_the_runner_joins_stages() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} joins {sorted(stages)}"
        for path in MODULES
        if name_of(path) not in ("pipeline", "runner")
        and len(stages := {m.split(".")[2] for m in imports(path) if m.startswith("brainbench.pipeline.")}) > 1
    ]
    assert not wrong


def plugin_sources() -> list[Path]:
    return sorted([*(ROOT / "builtin").rglob("*.py"), *(ROOT.parent / "plugins").glob("*/src/**/*.py")])


def test_builtins_and_plugins_use_public_names_only() -> None:
    wrong = [
        f"{path} imports {module}"
        for path in plugin_sources()
        for module in sorted(imports(path))
        if not module.startswith("brainbench.builtin")
        and module not in PUBLIC
        and module.removeprefix("brainbench.") not in brainbench.__all__
    ]
    assert not wrong


def test_no_module_hides_a_name_that_its_package_exports() -> None:
    # Once imported, such a module would take the name's place in the package.
    wrong = [
        f"{package}.{name}"
        for package in sorted(PUBLIC)
        for name in import_module(package).__all__
        if find_spec(f"{package}.{name}") is not None
    ]
    assert not wrong


@pytest.mark.parametrize("package", ["brainbench", "brainbench.plot", "brainbench.testing"])
def test_late_names_are_listed_alike_for_people_and_for_type_checkers(package: str) -> None:
    module = import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text())
    (block,) = [one for one in tree.body if isinstance(one, ast.If) and "TYPE_CHECKING" in ast.dump(one.test)]
    typed = {a.name: one.module for one in block.body if isinstance(one, ast.ImportFrom) for a in one.names}
    assert typed == module._LATE
    assert typed.keys() <= set(module.__all__)
    assert all(getattr(module, name) is not None for name in module.__all__)


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


@pytest.mark.slow
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
    _refuse(arguments, set(HEAVY), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["cite"], set(HEAVY)),
        (["leaderboard", "--leaderboards", "."], {"torch", "nilearn", "sklearn", "PIL"}),
    ],
    ids=["cite", "leaderboard"],
)
def test_commands_that_read_records_import_no_more_than_they_need(
    arguments: list[str], heavy: set[str], tmp_path: Path
) -> None:
    write_record(tmp_path, fit("a", 0.3))
    _refuse([arguments[0], str(tmp_path), *arguments[1:]], heavy, tmp_path)


def _refuse(arguments: list[str], heavy: set[str], tmp_path: Path) -> None:
    """Run a command in a process of its own, which must not import any of ``heavy``."""
    program = (
        "import sys\n"
        "from brainbench.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"heavy = {heavy!r} & sys.modules.keys()\n"
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
