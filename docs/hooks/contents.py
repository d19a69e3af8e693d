"""The parts of the table of contents that follow from what lies in a folder: the pages on data, and the decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

FOLDERS = {"data": "Your data", "decisions": "Decisions"}
# Where the pages on data stand: after Start and the example.
DATA_PLACE = 2


def on_config(config: Any) -> Any:
    """Add both folders to the contents."""
    found = {name: pages(Path(config.docs_dir), name) for name in FOLDERS}
    if found["data"]:
        config.nav.insert(DATA_PLACE, {FOLDERS["data"]: found["data"]})
    config.nav.append({FOLDERS["decisions"]: ["decisions/index.md", *found["decisions"]]})
    return config


def on_files(files: Files, *, config: Any) -> Files:
    """Add ``decisions/index.md``, the list of them."""
    folder = Path(config.docs_dir) / "decisions"
    lines = [f"- [{title(path)}]({path.name})" for path in sorted(folder.glob("*.md"))]
    text = "# Decisions\n\nWhy things are as they are, one page each.\n\n" + "\n".join(lines) + "\n"
    files.append(File.generated(config, "decisions/index.md", content=text))
    return files


def pages(docs: Path, folder: str) -> list[str]:
    """The pages of a folder, its README first."""
    found = sorted((docs / folder).glob("*.md"), key=lambda path: (path.name != "README.md", path.name))
    return [path.relative_to(docs).as_posix() for path in found]


def title(path: Path) -> str:
    """The heading of a page."""
    return path.read_text().splitlines()[0].removeprefix("# ")
