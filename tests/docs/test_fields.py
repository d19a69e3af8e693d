"""Tables of fields and lists of places in the code, compared with the code."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from types import ModuleType

import field_tables
import pytest

from brainbench import cards, engines, hookspecs, plugins, protocols, records, types
from brainbench.types import ArrayNames, Selectors

ROOT = Path(__file__).parents[2]
HOOKS = ROOT / "docs/hooks.md"
RESULTS = ROOT / "docs/results.md"


def rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    _, there, rest = page.read_text().partition(f"# {heading}\n")
    assert there, heading
    section = re.split(r"^#", rest, flags=re.M)[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return lines[2:]


def names(page: Path, heading: str) -> list[str]:
    return [row[0].strip("`") for row in rows(page, heading)]


@pytest.mark.parametrize("page", field_tables.PAGES, ids=lambda page: page.name)
def test_tables_of_fields_are_up_to_date(page: Path) -> None:
    assert page.read_text() == field_tables.with_tables(page), "run `make tables`"


def test_a_table_has_names_defaults_descriptions_and_links() -> None:
    code = '''
@dataclass(frozen=True)
class Part:
    """A part."""

    size: int = 0
    """Bytes, of ``a|b``."""

@dataclass(frozen=True, kw_only=True)
class Whole:
    """All of it."""

    name: str
    """Its
    name."""
    kind: str = "all"
    """Its kind."""
    parts: Mapping[str, Part] = field(default_factory=dict)
    """Its parts."""
'''
    assert field_tables.tables(code, defaults=True) == {
        "Part": "| field | default | |\n|---|---|---|\n| `size` | `0` | Bytes, of `a\\|b`. |\n",
        "Whole": "| field | default | |\n|---|---|---|\n"
        "| `name` | required | Its name. |\n"
        '| `kind` | `"all"` | Its kind. |\n'
        "| `parts` | `{}` | Its parts. See [Part](#part). |\n",
    }
    assert (
        field_tables.tables(code, defaults=False)["Part"] == "| field | |\n|---|---|\n| `size` | Bytes, of `a\\|b`. |\n"
    )


def test_a_field_without_a_description_is_named() -> None:
    code = "@dataclass\nclass Part:\n    size: int = 0\n    place: str = ''\n    '''Where it is.'''\n"
    with pytest.raises(ValueError, match=r"Part\.size: write a docstring below the field"):
        field_tables.tables(code, defaults=True)


@pytest.mark.parametrize("module", [types, protocols, engines, plugins], ids=lambda module: module.__name__)
def test_every_public_field_of_the_contract_is_described(module: ModuleType) -> None:
    undescribed = [
        f"{kind.name}.{ast.unparse(field.target)}"
        for kind in ast.parse(Path(str(module.__file__)).read_text()).body
        if isinstance(kind, ast.ClassDef)
        for field, below in zip(kind.body, [*kind.body[1:], None], strict=True)
        if isinstance(field, ast.AnnAssign)
        and not (isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant))
    ]
    assert not undescribed


def test_every_class_of_cards_is_there() -> None:
    public = {name for name, kind in (vars(cards) | vars(engines)).items() if dataclasses.is_dataclass(kind)} - {"Card"}
    assert public <= set(re.findall(r"^## (\w+)$", HOOKS.read_text(), flags=re.M))


def test_every_hook_has_its_row() -> None:
    hooks = {name for name in vars(hookspecs) if name.startswith("register_")}
    assert {name.removesuffix("()") for name in names(HOOKS, "Hooks")} == hooks


def test_every_class_of_a_record_is_there() -> None:
    public = {name for name, kind in vars(records).items() if dataclasses.is_dataclass(kind)}
    assert public == set(re.findall(r"^##+ (\w+)$", RESULTS.read_text(), flags=re.M)) - {"Arrays"}


def test_every_array_has_its_row() -> None:
    found = names(RESULTS, "Arrays")
    fixed = {ArrayNames.PREDICTIONS, ArrayNames.UNMEASURED, ArrayNames.VERTEX, ArrayNames.RIGHT}
    fixed |= {ArrayNames.selector(kind) for kind in ArrayNames.SELECTORS}
    assert set(found) == fixed | {ArrayNames.per_voxel("<metric>"), ArrayNames.roi("<name>")}
    assert len(found) == len(set(found))


def test_every_kind_of_selector_has_a_name() -> None:
    assert {field.name for field in dataclasses.fields(Selectors)} == {"layers", *ArrayNames.SELECTORS}


def test_every_attribute_of_the_store_is_there() -> None:
    _, there, sentence = RESULTS.read_text().partition("\nAttributes of the store: ")
    assert there
    stored = {ArrayNames.IDS, ArrayNames.UNMEASURED_IDS, ArrayNames.LAYERS, ArrayNames.MESH}
    assert stored == set(re.findall(r"`(\w+)`", sentence.partition("\n\n")[0]))


def places() -> list[tuple[str, str]]:
    """(file, name) of every place in the code that the method's page names."""
    found = re.findall(r"`([\w/]+\.py): ([\w., ]+)`", (ROOT / "docs/method.md").read_text())
    return [(path, name) for path, several in found for name in several.split(", ")]


def has(path: str, name: str) -> bool:
    """Whether a file defines this class, function or constant; ``Class.method`` for a method."""
    body = ast.parse((ROOT / path).read_text()).body
    for part in name.split("."):
        here = {one.name: one for one in body if isinstance(one, ast.FunctionDef | ast.ClassDef)}
        constants = {
            t.id for one in body if isinstance(one, ast.Assign) for t in one.targets if isinstance(t, ast.Name)
        }
        if part not in here and part not in constants:
            return False
        body = here[part].body if part in here else []
    return True


def test_what_an_equation_points_to_is_there() -> None:
    assert len(places()) > 30
    assert not [f"{path} has no {name}" for path, name in places() if not has(path, name)]


def test_every_equation_says_where_it_lives() -> None:
    text = (ROOT / "docs/method.md").read_text()
    # Equations that follow one another share what is said after the last.
    for equation, after in re.findall(r"^(\$\$.*?\$\$\n)(?!\n\$\$)(.*?)(?=^\$\$|^#|\Z)", text, flags=re.M | re.S):
        assert re.search(r"`[\w/]+\.py: ", after), equation


def test_the_example_is_the_one_on_its_page() -> None:
    code = (ROOT / "examples/folder_to_figure.py").read_text()
    assert f"```python\n{code}```" in (ROOT / "docs/example.md").read_text()
    tree = ast.parse(code)
    assert sum(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in tree.body) <= 15
