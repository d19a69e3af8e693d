"""Pools: the parts that a pass over the train split is cut into where its tokens do not fit into memory all at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch

from brainbench.fitting.token_reader import CHUNK, HeldTokens

# Batches are drawn from another stream than initial weights, which encoders draw from the plain seed.
_BATCH_STREAM = 1 << 32


class Plan(NamedTuple):
    """pools: how many a pass has; hold_val: whether the val split stays in memory beside them."""

    pools: int
    hold_val: bool


def plan(train: int, val: int, capacity: int) -> Plan:
    """Cut so that no more than ``capacity`` stimuli are held at once, to within a chunk of the store a pool.

    train, val: stimuli of the splits. Where all of it fits there is one pool. Otherwise the val split, which is looked at
    again and again, may take half, and there is room for two pools: one to train on, the next one being read.
    """
    hold_val = val <= max(capacity - train, capacity // 2)
    room = max(1, capacity - val * hold_val)
    return Plan(1 if train <= room else -(-2 * train // room), hold_val)


def draw_pools(stimulus: np.ndarray, pools: int, seed: int) -> Iterator[np.ndarray]:
    """Endless pools: trials in the order they are trained on. Every pass has each trial once, every pool whole chunks of the store.

    stimulus: [R], what each trial saw, as row numbers of the features; pools: how many a pass is cut into. Trials are numbers
    0 to R - 1.
    """
    generator = torch.Generator().manual_seed(_BATCH_STREAM + seed)
    while True:
        pool = _pool_of_trials(stimulus // CHUNK, np.unique(stimulus) // CHUNK, pools, generator)
        for number in np.unique(pool):
            trials = np.flatnonzero(pool == number)
            yield trials[torch.randperm(len(trials), generator=generator).numpy()]


def skip_trials(pools: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """The same pools without the first ``count`` trials."""
    for trials in pools:
        if count < len(trials):
            yield trials[count:]
        count = max(0, count - len(trials))


def read_ahead(
    pools: Iterator[np.ndarray], read: Callable[[np.ndarray, Callable[[], bool]], HeldTokens | None]
) -> Iterator[tuple[np.ndarray, HeldTokens]]:
    """(trials, their tokens) of endless pools; while one is in use, a thread reads the next.

    read: trials, and a function that says whether they are still wanted -> tokens, or None if they are not.
    """
    closed = threading.Event()

    def submit() -> tuple[np.ndarray, Future[HeldTokens | None]]:
        trials = next(pools)
        return trials, thread.submit(read, trials, closed.is_set)

    with ThreadPoolExecutor(1) as thread:
        try:
            ahead = submit()
            while True:
                trials, held = ahead[0], ahead[1].result()
                if held is None:
                    return
                ahead = submit()
                yield trials, held
        finally:
            closed.set()


def _pool_of_trials(
    chunk: np.ndarray, chunks_of_stimuli: np.ndarray, pools: int, generator: torch.Generator
) -> np.ndarray:
    """[R]: which pool each trial is in; chunks, drawn in any order, are cut into pools of about as many stimuli."""
    if pools == 1:
        return np.zeros_like(chunk)
    chunks, size = np.unique(chunks_of_stimuli, return_counts=True)
    drawn = torch.randperm(len(chunks), generator=generator).numpy()
    pool = np.empty_like(chunk, shape=len(chunks))
    pool[drawn] = (size[drawn].cumsum() - size[drawn]) * pools // size.sum()
    return np.asarray(pool[np.searchsorted(chunks, chunk)])
