"""What a fit reads: the tokens and responses of the train and val splits, standardised; held in memory or read piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from brainbench.errors import DataError
from brainbench.fitting.response_reader import ResponseReader, response_reader
from brainbench.fitting.standardisation import Standardisation
from brainbench.fitting.token_pools import draw_pools, plan, read_ahead, skip_trials
from brainbench.fitting.token_reader import HeldTokens, Source, TokenReader, hold, stimulus_bytes, survey
from brainbench.types import Features, Responses
from brainbench.util.memory import budget, fits_on

Batch = tuple[list[Tensor], Tensor]


@dataclass(frozen=True)
class TrainingData:
    """The train and val splits of one subject; nothing of the test split is read.

    responses: the standardised responses, one row a trial; stimulus: [R], the row of ``features`` that each trial saw (several
    may share one); train, val: numbers of trials; variation: [V] float64, the sum of the squared distances of the standardised
    val responses from their mean; reader: how tokens are standardised; held: the tokens that stay in memory;
    pools: how many parts a pass over the train split is read in; key: what these data are, so that no fit goes on with others;
    notes: what a fit to them cannot do, one sentence each.
    """

    features: Features
    responses: ResponseReader
    stimulus: np.ndarray
    train: np.ndarray
    val: np.ndarray
    variation: Tensor
    reader: TokenReader
    held: HeldTokens
    pools: int
    key: str
    notes: tuple[str, ...] = ()

    @property
    def voxels(self) -> int:
        """V."""
        return int(self.responses.values.shape[1])

    @property
    def units(self) -> Standardisation:
        """How responses are standardised."""
        return self.responses.units

    def observed(self, trials: np.ndarray) -> Tensor:
        """Standardised responses of some trials, [n, V] float32, on the device that holds them, else on the CPU."""
        return self.responses.read(trials)

    def tokens_of(self, stimuli: np.ndarray, device: str) -> list[Tensor]:
        """Tokens of some stimuli as a model takes them: per layer [n, P, C_l] float32 on ``device``."""
        return [self.layer_of(layer, stimuli, device) for layer in range(len(self.reader.layers))]

    def layer_of(self, layer: int, stimuli: np.ndarray, device: str) -> Tensor:
        """``tokens_of`` one layer, by its number."""
        if self.held.has(stimuli):
            return self.held.layer(layer, stimuli, device)
        return self.reader.layers[layer].read(self.features, stimuli).float().to(device)

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

    memory: GB of tokens to hold at once, 0 for 8; the rest is read again for every pass. device: the
    fit's own; tokens are held there if all of them fit, and responses if they fit beside them.

    Raises DataError when a split is empty, or when tokens or responses are not finite.
    """
    train, val = responses.rows("train"), responses.rows("val")
    for split, rows in (("train", train), ("val", val)):
        if len(rows) == 0:
            raise DataError(
                f"subject {responses.subject}: the {split} split has no responses; a fit needs train and val"
            )
    reading, variation = response_reader(responses, train, val)
    shown, shown_val = np.unique(responses.stimulus[train]), np.unique(responses.stimulus[val])
    each = stimulus_bytes(features, sources, int(shown[0]))
    pools, hold_val = plan(len(shown), len(shown_val), budget(memory) // each)
    kept = np.union1d(shown if pools == 1 else shown[:0], shown_val if hold_val else shown_val[:0])
    place = device if pools == 1 and fits_on(device, each * len(kept)) else "cpu"
    reader, held = survey(features, sources, shown, kept, place)
    tokens = 0 if place == "cpu" else each * len(kept)
    if fits_on(device, tokens + 4 * len(reading.trials) * responses.values.shape[1]):
        reading = reading.on(device)
    key = f"{features.key} {responses.key} {','.join(sources)} in {pools} on {place}"
    notes = tuple(_limits(len(shown), len(val), variation))
    return TrainingData(features, reading, responses.stimulus, train, val, variation, reader, held, pools, key, notes)


def _limits(train_images: int, val_trials: int, variation: Tensor) -> Iterator[str]:
    """What such splits keep a fit from, one sentence each."""
    if train_images == 1:
        yield "the train split has one image: there is nothing to learn from it but its responses"
    still = int((variation == 0).sum())
    if still == len(variation):
        yield (
            f"no voxel varies over the val split ({val_trials} responses): epochs are chosen by their error there in units of "
            "the variance over the train split"
        )
    elif still:
        yield f"{still} of {len(variation)} voxels do not vary over the val split: epochs are chosen by the others"
