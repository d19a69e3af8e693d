"""The arguments of ``run`` and ``features`` -> the texts of the command line's options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Names = str | Sequence[str]
WeightFiles = Names | Path | Mapping[str, str | Path]
Settings = Mapping[str, Any] | Sequence[str] | None


def weight_texts(weights: WeightFiles) -> tuple[str, ...]:
    """``--weights`` texts: ``untrained``, or ``NAME=FILE``."""
    if isinstance(weights, Mapping):
        return tuple(f"{name}={path}" for name, path in weights.items())
    return (str(weights),) if isinstance(weights, str | Path) else tuple(weights)


def assignment_texts(given: Settings) -> tuple[str, ...]:
    """``--set`` texts, ``NAME.key=value``."""
    if given is None:
        return ()
    return (
        tuple(f"{name}={_text(value)}" for name, value in given.items()) if isinstance(given, Mapping) else tuple(given)
    )


def _text(value: Any) -> str:
    value = value.tolist() if hasattr(value, "tolist") else value
    return ",".join(str(one) for one in value) if isinstance(value, list | tuple | range) else str(value)
