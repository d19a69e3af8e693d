"""Parts that all checks share: failing, watching global state, and blocking the network."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from brainbench.cards import Card
from brainbench.registry import installed

_NOWHERE = 81_724_365
# What a plugin may not import before one of its networks is built.
HEAVY = (
    *("torch", "timm", "open_clip", "transformers", "diffusers", "torchvision", "segment_anything", "mmengine", "mmcv"),
    *("mmpretrain", "himalaya", "numpy", "pandas", "sklearn", "scipy", "h5py", "zarr", "nilearn", "PIL"),
    "huggingface_hub",
)


class ContractError(AssertionError):
    """A check failed: says what was seen and what was expected."""


def expect(holds: bool, otherwise: str) -> None:
    """Raise ContractError unless it ``holds``."""
    if not holds:
        raise ContractError(otherwise)


@contextmanager
def untouched_random_state(during: str) -> Iterator[None]:
    """Raise ContractError if the block changes the global generators of torch, numpy or Python."""
    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()
    # An unusual seed: a plugin that seeds the generators with 0 would not be noticed if they already had that state.
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
    """Raise ContractError if anything in the block looks up or contacts another machine."""
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


def light_listing(card: Card, kind: str) -> str:
    """Raise ContractError if importing the plugin of a card, to list it, imports a heavy library or opens a connection.

    kind: of the card, ``backbones`` ...; the import runs in a process of its own.
    """
    owners = [plugin for plugin in installed().plugins if card in plugin.cards.get(kind, ())]
    if not owners:
        return "not from an installed plugin"
    done = subprocess.run(
        [sys.executable, "-c", _LISTING, owners[0].name, f"register_{kind}", *HEAVY],
        capture_output=True,
        text=True,
        check=False,
    )
    expect(done.returncode == 0, f"importing the plugin {owners[0].name}: {done.stderr.strip().splitlines()[-1:]}")
    return f"{owners[0].name} imports nothing heavy"


_LISTING = """
import socket, sys
def refuse(*arguments, **_): sys.exit(f"calls {arguments[:1]}")
socket.getaddrinfo = socket.create_connection = refuse
from importlib.metadata import entry_points
point = next(p for p in entry_points(group="brainbench") if p.name == sys.argv[1])
getattr(point.load(), sys.argv[2])()
heavy = sorted(set(sys.argv[3:]) & sys.modules.keys())
sys.exit(f"imports {', '.join(heavy)}" if heavy else 0)
"""
