from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import click
import pytest
import toy

from brainbench import StoreError, UsageError
from brainbench.cli.new import new
from brainbench.commands.new import KINDS, write_plugin

REGISTRY = toy.registry([toy.backbone("taken/small")])


@pytest.mark.parametrize("kind", KINDS)
def test_everything_bears_the_name(tmp_path: Path, kind: str) -> None:
    place = write_plugin(kind, "mine", tmp_path / "new", REGISTRY)
    assert place == tmp_path / "new" / "brainbench-plugin-mine"
    project = tomllib.loads((place / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"brainbench": {"mine": "brainbench_mine.plugin"}}
    written = [path for path in place.rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"README.md", "plugin.py", "py.typed", "test_mine.py"}
    for path in written:
        assert "$" not in path.read_text()
        if path.suffix == ".py":
            ast.parse(path.read_text())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My-Model", "My-Model: a plugin's name is lower-case letters"),
        ("class", "class: a word of Python's own cannot name a module; choose another, as in class_model"),
        ("", "a plugin's name"),
        ("../up", "a plugin's name"),
        ("taken", "taken: toy-dist has backbones of this name; choose another"),
    ],
)
def test_names_that_cannot_be(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        write_plugin("backbone", name, tmp_path, REGISTRY)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    place = write_plugin("backbone", "mine", tmp_path, REGISTRY)
    (place / "README.md").write_text("mine")
    with pytest.raises(StoreError, match="exists already; nothing was written"):
        write_plugin("backbone", "mine", tmp_path, REGISTRY)
    assert (place / "README.md").read_text() == "mine"


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_is_taken_by_a_card_of_its_kind(tmp_path: Path, kind: str) -> None:
    registry = toy.registry()
    shelf = next(shelf for shelf in registry.shelves() if shelf.kind == f"{kind}s")
    taken = next(iter(shelf)).card.family
    with pytest.raises(UsageError, match=f"{taken}: .* has {kind}s of this name; choose another"):
        write_plugin(kind, taken, tmp_path, registry)


def test_the_command_offers_every_kind() -> None:
    (choice,) = [parameter.type for parameter in new.params if parameter.name == "kind"]
    assert isinstance(choice, click.Choice)
    assert list(choice.choices) == list(KINDS)
