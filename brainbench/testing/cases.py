"""What all checks share: how one fails, the global state they watch, and the network they cut off."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

_NOWHERE = 81_724_365


class ContractError(AssertionError):
    """A check that was not passed: what was seen, and what was expected."""


def expect(holds: bool, otherwise: str) -> None:
    """Raise ContractError unless it ``holds``."""
    if not holds:
        raise ContractError(otherwise)


@contextmanager
def untouched_random_state(during: str) -> Iterator[None]:
    """Raise ContractError if the global generators of torch, numpy or Python are elsewhere afterwards."""
    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()
    # Somewhere nobody goes by himself: a plugin that seeds them with 0 would not show where they stand at 0 already.
    torch.manual_seed(_NOWHERE)
    np.random.seed(_NOWHERE)
    random.seed(_NOWHERE)
    before = _states()
    try:
        yield
        moved = [name for name, state in _states().items() if state != before[name]]
    finally:
        torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])
        random.setstate(kept[2])
    expect(not moved, f"{during} draws from the global generator of {' and '.join(moved)}; draw inside seeded(...)")


def _states() -> dict[str, Any]:
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": str(np.random.get_state()[1:3]) + np.random.get_state()[1].tobytes().hex(),  # type: ignore[index]
        "Python": random.getstate(),
    }


@contextmanager
def no_network(during: str) -> Iterator[None]:
    """Raise ContractError if anything looks up or calls another machine meanwhile."""
    asked: list[str] = []

    def refuse(*arguments: Any, **_: Any) -> Any:
        asked.append(str(arguments[0] if arguments else "a machine"))
        raise OSError("no network here")

    lookup, connect = socket.getaddrinfo, socket.create_connection
    socket.getaddrinfo = socket.create_connection = refuse
    try:
        yield
    except OSError:
        expect(not asked, f"{during} calls {', '.join(asked)}")
        raise
    finally:
        socket.getaddrinfo, socket.create_connection = lookup, connect
    expect(not asked, f"{during} calls {', '.join(asked)}")
