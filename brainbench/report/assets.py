"""Files that every report contains: style and scripts, which are part of this package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

SCRIPTS = ("report.js", "cortex.js", "maps.js", "compare.js")


def assets() -> dict[Path, bytes]:
    """Return file name in a report -> content."""
    folder = files("brainbench.report") / "static"
    return {Path("assets", name): (folder / name).read_bytes() for name in ("report.css", *SCRIPTS)}
