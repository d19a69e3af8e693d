"""The card of an engine, which decides where the jobs of a run are done, and what its executor may offer beyond the standard one.

The text below each field is also its row in the tables of docs/hooks.md (``python docs/field_tables.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from brainbench.cards import Card


@dataclass(frozen=True, kw_only=True)
class EngineCard(Card):
    """Where the jobs of a run are done. Loader: ``load(*, settings: Mapping, workers: int, folder: Path) -> Executor``.

    workers: how many jobs are under way at once, 0 for as many as there is room for; folder: where the engine may write, which
    does not exist yet. The executor is a ``concurrent.futures.Executor``, and a ``Queue`` if the card says ``queue``. It is
    given functions of texts, which may be called in any order and any number of times. What they make they write to folders
    that the caller and all workers share. The future of a call whose process ended without a word raises
    ``concurrent.futures.BrokenExecutor``. A run that ends early calls ``shutdown(cancel_futures=True)``, which also stops what
    has begun.

    If an engine that is not ``here`` has a setting ``gpus``, then ``--device auto`` is cuda where this is above 0, else cpu.
    """

    default: bool = False
    """Used if the user names no engine."""
    here: bool = False
    """Its workers share this machine. Then brainbench counts cores, GPUs and memory for ``--workers auto``, and does without
    it where one process is enough."""
    queue: bool = False
    """Its executor is a ``Queue``: jobs go on after the command has ended, so that ``--detach`` is allowed."""


@runtime_checkable
class Queue(Protocol):
    """An executor that hands calls to the queue of a cluster, where they go on after the caller has ended."""

    most: int
    """The number of calls that it takes at once. If there are more jobs, a call does several."""

    def enqueue(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], after: str = ""
    ) -> tuple[str, list[Future[Any]]]:
        """Hand in one call of ``function`` for each tuple of arguments. Returns (what the queue calls them, their futures).

        after: what the queue calls other calls; the new ones begin when those have ended, whichever way they ended.
        """
        ...
