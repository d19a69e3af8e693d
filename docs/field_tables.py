"""The tables of fields in docs/hooks.md and docs/results.md, made from the text below each field of cards and records.

python docs/field_tables.py     writes them between their marks
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Page -> the modules whose dataclasses it documents, and whether the tables show defaults.
PAGES = {
    ROOT / "docs/hooks.md": (("cards.py", "parts.py", "engines.py"), True),
    ROOT / "docs/results.md": (("records.py",), False),
}


def with_tables(page: Path) -> str:
    """Return the page's text with its tables brought up to date."""
    modules, defaults = PAGES[page]
    text, code = page.read_text(), "\n".join((ROOT / "brainbench" / module).read_text() for module in modules)
    for name, table in tables(code, defaults).items():
        begin, end = f"<!-- {name}: python docs/field_tables.py -->\n", f"<!-- /{name} -->\n"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{page.name}: expected the marks {begin.strip()} and {end.strip()} once each")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return text


def tables(code: str, defaults: bool) -> dict[str, str]:
    """Return the table of each dataclass in this code, as Markdown. The code is parsed, not imported."""
    kinds = {
        node.name: node
        for node in ast.parse(code).body
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(one) for one in node.decorator_list)
    }
    head = "| field | default | |\n|---|---|---|\n" if defaults else "| field | |\n|---|---|\n"
    found = {}
    for name, kind in kinds.items():
        rows = [(f"`{field}`", default, text) for field, default, text in _fields(kind, kinds.keys() - {name})]
        found[name] = head + "".join(f"| {' | '.join(row if defaults else row[::2])} |\n" for row in rows)
    return found


def _fields(kind: ast.ClassDef, linked: set[str]) -> list[tuple[str, str, str]]:
    """(name, default, description) of each field; the description links to the ``linked`` classes that the field holds."""
    found = []
    for field, below in zip(kind.body, [*kind.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign):
            continue
        name = ast.unparse(field.target)
        if not (isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)):
            raise ValueError(f"{kind.name}.{name}: write a docstring below the field")
        text = " ".join(str(below.value.value).split()).replace("``", "`").replace("|", r"\|")
        links = sorted(linked & set(re.findall(r"\w+", ast.unparse(field.annotation))))
        found.append((name, _default(field.value), text + "".join(f" See [{one}](#{one.lower()})." for one in links)))
    return found


def _default(value: ast.expr | None) -> str:
    if value is None:
        return "required"
    if isinstance(value, ast.Call):  # field(default_factory=dict)
        factory = next(ast.unparse(word.value) for word in value.keywords if word.arg == "default_factory")
        return {"dict": "`{}`", "list": "`[]`"}.get(factory, f"`{factory}()`")
    return (
        f'`"{value.value}"`'
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
        else f"`{ast.unparse(value)}`"
    )


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(with_tables(page))
