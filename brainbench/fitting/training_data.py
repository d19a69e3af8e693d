"""What a fit reads: the tokens and responses of the train and val splits, standardised; held in memory or read piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from brainbench.errors import DataError
from brainbench.fitting.standardisation import Moments, Standardisation
from brainbench.fitting.token_pools import draw_pools, plan, read_ahead, skip_trials
from brainbench.fitting.token_reader import HeldTokens, Source, TokenReader, hold, stimulus_bytes, survey
from brainbench.types import Features, Responses
from brainbench.util.memory import budget, fits_on

Batch = tuple[list[Tensor], Tensor]
# Figures in one block of responses: 32 MB of float64.
_BLOCK_FIGURES = 1 << 22


@dataclass(frozen=True)
class TrainingData:
    """The train and val splits of one subject; nothing of the test split is read.

    values: [R, V], the responses as the dataset gave them, one row a trial; stimulus: [R], the row of ``features`` that each
    trial saw (several may share one); train, val: row numbers of ``values``; reader, units: how tokens and responses are
    standardised; held: the tokens that stay in memory; pools: how many parts a pass over the train split is read in; key: what
    these data are, so that no fit goes on with others.
    """

    features: Features
    values: np.ndarray
    stimulus: np.ndarray
    train: np.ndarray
    val: np.ndarray
    reader: TokenReader
    units: Standardisation
    held: HeldTokens
    pools: int
    key: str

    @property
    def voxels(self) -> int:
        """V."""
        return int(self.values.shape[1])

    def observed(self, trials: np.ndarray) -> Tensor:
        """Standardised responses of some rows of ``values``, [n, V] float32."""
        return self.units.apply(_rows(self.values, trials))

    def tokens_of(self, stimuli: np.ndarray, device: str) -> list[Tensor]:
        """Tokens of some stimuli as a model takes them: per layer [n, P, C_l] float32 on ``device``."""
        if self.held.has(stimuli):
            return self.held.of(stimuli, device)
        return [layer.to(device) for layer in self.reader.read(self.features, stimuli)]

    def batches(self, size: int, seed: int, device: str, skip: int = 0) -> Generator[Batch]:
        """Endless batches (tokens, responses [B, V]) of ``size`` trials, or of all if there are fewer.

        Each trial once before any comes again. Drawn inside a pool; what is left over at its end begins the next one's first
        batch. skip: how many batches were had before.
        """
        size = min(size, len(self.train))
        pools = skip_trials(draw_pools(self.stimulus[self.train], self.pools, seed), skip * size)
        waiting, waiting_tokens = self.train[:0], list[Tensor]()
        with closing(self._tokens_of(pools)) as read:
            for drawn, tokens in read:
                trials = self.train[drawn]
                while len(trials):
                    taken, trials = np.split(trials, [size - len(waiting)])
                    part = tokens.of(self.stimulus[taken], device)
                    if len(waiting):
                        part = [torch.cat(pair) for pair in zip(waiting_tokens, part, strict=True)]
                    waiting, waiting_tokens = np.concatenate([waiting, taken]), part
                    if len(waiting) == size:
                        yield waiting_tokens, self.observed(waiting).to(device)
                        waiting, waiting_tokens = waiting[:0], []
                # Or there would be three pools when the one after next is begun.
                del tokens

    def _tokens_of(self, pools: Iterator[np.ndarray]) -> Generator[tuple[np.ndarray, HeldTokens]]:
        if self.pools == 1:
            yield from ((trials, self.held) for trials in pools)
        else:
            yield from read_ahead(pools, self._pool)

    def _pool(self, trials: np.ndarray, unwanted: Callable[[], bool]) -> HeldTokens | None:
        return hold(self.features, self.reader, np.unique(self.stimulus[self.train[trials]]), unwanted)


def load_training_data(
    features: Features,
    responses: Responses,
    sources: Sequence[Source],
    *,
    memory: float = 0.0,
    device: str = "cpu",
) -> TrainingData:
    """Read what a fit needs, every layer once.

    memory: GB of tokens to hold at once, 0 for half of the machine's; the rest is read again for every pass. device: the
    fit's own; tokens lie there if all of them fit.

    Raises DataError when a split is empty, or when tokens or responses are not finite.
    """
    train, val = responses.rows("train"), responses.rows("val")
    for split, rows in (("train", train), ("val", val)):
        if len(rows) == 0:
            raise DataError(
                f"subject {responses.subject}: the {split} split has no responses; a fit needs train and val"
            )
    units = _units(responses, train, val)
    shown, shown_val = np.unique(responses.stimulus[train]), np.unique(responses.stimulus[val])
    each = stimulus_bytes(features, sources, int(shown[0]))
    pools, hold_val = plan(len(shown), len(shown_val), budget(memory) // each)
    kept = np.union1d(shown if pools == 1 else shown[:0], shown_val if hold_val else shown_val[:0])
    place = device if pools == 1 and fits_on(device, each * len(kept)) else "cpu"
    reader, held = survey(features, sources, shown, kept, place)
    key = f"{features.key} {responses.key} {','.join(sources)} in {pools} on {place}"
    return TrainingData(features, responses.values, responses.stimulus, train, val, reader, units, held, pools, key)


def _units(responses: Responses, train: np.ndarray, val: np.ndarray) -> Standardisation:
    """The scale of the train responses, and a look at all of them."""
    values, moments = responses.values, Moments()
    voxels = values.shape[1]
    bad = torch.zeros(voxels, dtype=torch.bool)
    for split in (train, val):
        for trials in np.split(split, range(0, len(split), max(1, _BLOCK_FIGURES // max(1, voxels))))[1:]:
            block = _rows(values, trials)
            bad |= ~block.isfinite().all(dim=0)
            if split is train:
                moments.add(block)
    if bad.any():
        raise DataError(
            f"subject {responses.subject}: {int(bad.sum())} of {len(bad)} voxels hold NaN or infinity in the train or val "
            f"split, the first is voxel {int(bad.nonzero()[0])}; leave these voxels out of the dataset"
        )
    return Standardisation.of(moments)


def _rows(values: np.ndarray, trials: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values[trials], dtype=np.float32))
