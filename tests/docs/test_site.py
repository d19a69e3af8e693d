"""The site: it builds with warnings as errors, fetches nothing, and holds what it has to."""

from __future__ import annotations

import html
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from brainbench.cli import cli

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "brainbench",
    "brainbench.datasets",
    "brainbench.fitting",
    "brainbench.plot",
    "brainbench.testing",
    "brainbench.training",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    # Whatever would be fetched goes to a proxy that is not there.
    environment = (
        os.environ | {"NO_MKDOCS_2_WARNING": "1"} | dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    )
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def text(site: Path, page: str) -> str:
    """A page without its tags."""
    return html.unescape(re.sub(r"<[^>]+>", "", (site / page).read_text()))


def test_a_reader_fetches_nothing(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        tags = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", page.read_text())
        assert not [tag for tag in tags if re.search(r"(?:src|href|srcset)\s*=\s*.?(?:https?:)?//", tag)], page.name
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"url\(.?(?:https?:)?//[^)]*\)|@import", sheet.read_text()), sheet.name


def commands(command: click.Command, name: str) -> list[tuple[str, click.Command]]:
    found = [(name, command)]
    if isinstance(command, click.Group):
        for below, one in command.commands.items():
            found += commands(one, f"{name} {below}")
    return found


def shown(parameter: click.Parameter) -> str:
    """How the page of commands names an option or an argument."""
    if isinstance(parameter, click.Option):
        return parameter.opts[0]
    if isinstance(parameter.type, click.Choice):
        return "|".join(parameter.type.choices)
    return parameter.metavar or parameter.human_readable_name


def test_every_command_and_option_has_its_place(site: Path) -> None:
    page = text(site, "commands.html")
    for name, command in commands(cli, "brainbench"):
        _, there, rest = page.partition(f"Usage: {name} ")
        assert there, name
        own = "".join(rest.split("Usage: ")[0].split())  # a long list of choices may be broken anywhere
        for parameter in command.params:
            word = shown(parameter)
            assert word.replace(" ", "") in own, f"{name} {word}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_in_the_reference(site: Path, package: str) -> None:
    page = (site / f"python/{package.rpartition('.')[2]}.html").read_text()
    names = importlib.import_module(package).__all__
    # A constant has no docstring: a table at the end of the page says what it is.
    missing = [name for name in names if f'id="{package}.{name}"' not in page and f"<code>{name}</code>" not in page]
    assert not missing, f"a docstring, or a row in the table of docs/python: {missing}"


def test_equations_are_mathml(site: Path) -> None:
    page = (site / "method.html").read_text()
    shown = len(re.findall(r"^\$\$", (ROOT / "docs/method.md").read_text(), flags=re.M))
    assert page.count('display="block"') == shown > 8
    assert "arithmatex" not in page
    assert "\\" not in "".join(re.findall(r"<math.*?</math>", page, flags=re.S)), "TeX that was not understood"


def test_every_decision_is_listed(site: Path) -> None:
    page = (site / "decisions/index.html").read_text().partition("<article")[2].partition("</article>")[0]
    for decision in (ROOT / "docs/decisions").glob("*.md"):
        assert f'href="{decision.stem}.html"' in page


def test_every_page_is_in_the_contents(site: Path) -> None:
    contents = (site / "index.html").read_text().partition("<article")[0]
    for page in (ROOT / "docs").rglob("*.md"):
        path = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        name = re.sub(r"README\.html$", "index.html", path)
        assert f'href="{name}"' in contents, path
