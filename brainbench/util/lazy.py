"""Names that a package exports but imports at first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def attach(
    package: str, late: Mapping[str, str], every: Sequence[str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package; ``late``: name -> the module that has it, ``every``: ``__all__``.

    Type checkers, editors and the reference need the late names in ``__all__`` and under ``if TYPE_CHECKING:``, in plain
    text; tests/test_architecture.py compares the three.
    """

    def get(name: str) -> Any:
        if name in late:
            return getattr(import_module(late[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: sorted(every)
