"""What a fit reads: the tokens and responses of the train and val splits, standardised, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from brainbench.errors import DataError
from brainbench.fitting.scaling import Standardisation
from brainbench.fitting.tokens import Source, TokenReader, load_tokens
from brainbench.types import Features, Responses


@dataclass(frozen=True)
class TrainingData:
    """The train and val splits of one subject; nothing of the test split is in here.

    tokens: per layer [S, P, C_l], standardised, in the store's dtype; responses: [R, V] float32, standardised per voxel, one
    row a trial; stimulus: [R], the row of ``tokens`` that each trial saw (several trials may share one); train, val: row
    numbers of ``responses``; reader, units: how tokens and responses were standardised.
    """

    tokens: tuple[Tensor, ...]
    responses: Tensor
    stimulus: Tensor
    train: Tensor
    val: Tensor
    reader: TokenReader
    units: Standardisation

    @property
    def voxels(self) -> int:
        """V."""
        return self.responses.shape[1]

    def tokens_of(self, stimuli: Tensor, device: str) -> list[Tensor]:
        """Tokens of some stimuli as a model takes them: per layer [B, P, C_l] float32 on ``device``."""
        return [layer[stimuli].to(device).float() for layer in self.tokens]


def load_training_data(features: Features, responses: Responses, sources: Sequence[Source]) -> TrainingData:
    """Read what a fit needs, every layer once.

    Raises DataError when a split is empty, or when tokens or responses are not finite.
    """
    splits = {"train": responses.rows("train"), "val": responses.rows("val")}
    for split, rows in splits.items():
        if len(rows) == 0:
            raise DataError(
                f"subject {responses.subject}: the {split} split has no responses; a fit needs train and val"
            )
    trials = np.concatenate([splits["train"], splits["val"]])
    stimuli, stimulus = np.unique(responses.stimulus[trials], return_inverse=True)
    train = len(splits["train"])
    reader, tokens = load_tokens(features, stimuli, np.isin(np.arange(len(stimuli)), stimulus[:train]), sources)
    values = _finite(responses, trials)
    units = Standardisation.of(values[:train])
    return TrainingData(
        tokens=tokens,
        responses=units.apply(values),
        stimulus=torch.from_numpy(stimulus),
        train=torch.arange(train),
        val=torch.arange(train, len(trials)),
        reader=reader,
        units=units,
    )


def _finite(responses: Responses, trials: np.ndarray) -> Tensor:
    values = torch.tensor(responses.values[trials], dtype=torch.float32)
    bad = (~values.isfinite()).any(dim=0)
    if bad.any():
        raise DataError(
            f"subject {responses.subject}: {int(bad.sum())} of {len(bad)} voxels hold NaN or infinity in the train or val "
            f"split, the first is voxel {int(bad.nonzero()[0])}; leave these voxels out of the dataset"
        )
    return values
