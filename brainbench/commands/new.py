"""A plugin distribution to start from. The work behind ``brainbench new``; the texts are in ``templates/``."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template

from brainbench.errors import StoreError, UsageError
from brainbench.registry import Registry
from brainbench.util.files import storage

TEMPLATES = Path(__file__).parent / "templates"
KINDS = ("backbone", "encoder", "metric", "dataset")


def write_plugin(kind: str, name: str, into: Path, registry: Registry) -> Path:
    """Write ``brainbench-plugin-<name>`` into a folder; returns its place.

    Raises UsageError for a name that cannot be one of Python's or that is taken, StoreError where something is there already.
    """
    if keyword.iskeyword(name):
        raise UsageError(f"{name}: a word of Python's own cannot name a module; choose another, as in {name}_model")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(f"{name}: a plugin's name is lower-case letters, digits and _, as in mymodel2")
    for entry in next(shelf for shelf in registry.shelves() if shelf.kind == f"{kind}s"):
        if entry.card.family == name:
            raise UsageError(f"{name}: {entry.plugin.distribution} has {kind}s of this name; choose another")
    place = into / f"brainbench-plugin-{name}"
    if place.exists():
        raise StoreError(f"{place}: exists already; nothing was written")
    with storage(into):
        for folder in (TEMPLATES / "common", TEMPLATES / kind):
            for template in sorted(folder.rglob("*.txt")):
                relative = str(template.relative_to(folder)).removesuffix(".txt")
                target = place / relative.replace("test_package", f"test_{name}").replace(
                    "package", f"brainbench_{name}"
                )
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(Template(template.read_text()).substitute(name=name))
    return place
