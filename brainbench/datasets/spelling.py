"""Slips of the pen in names of files and columns."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near_miss(found: Iterable[str], known: Iterable[str]) -> tuple[str, str] | None:
    """A name in ``found`` that looks like a slip of the pen for a name in ``known`` that is not there, and that name.

    Names more than two letters longer, such as ``responses_old.npy``, are taken to be meant.
    """
    found = sorted(found)
    absent = [name for name in known if name not in found]
    for name in (name for name in found if name not in known):
        for meant in difflib.get_close_matches(name.casefold(), absent, n=1, cutoff=0.8):
            if len(name) - len(meant) <= 2:
                return name, meant
    return None
