"""What is stored beside what was computed again: where do the two differ?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

# One machine gives the same bytes; another BLAS adds up in another order.
RELATIVE, ABSOLUTE = 1e-6, 1e-9


def differences(stored: object, found: object, name: str) -> Iterator[tuple[str, object, object]]:
    """(name, stored, found) of every leaf of two JSON values that differs; what only one of them has is None in the other.

    Whole numbers and texts have to be equal, others to agree within 1e-6 of their size, or 1e-9 near zero.
    """
    if isinstance(stored, Mapping) and isinstance(found, Mapping):
        for key in sorted({*stored, *found}):
            yield from differences(stored.get(key), found.get(key), f"{name}.{key}")
    elif isinstance(stored, list) and isinstance(found, list) and len(stored) == len(found):
        for number, (one, other) in enumerate(zip(stored, found, strict=True)):
            yield from differences(one, other, f"{name}[{number}]")
    elif not _same(stored, found):
        yield name, stored, found


def _same(stored: object, found: object) -> bool:
    if isinstance(stored, float) and isinstance(found, float):
        return math.isclose(stored, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return stored == found
