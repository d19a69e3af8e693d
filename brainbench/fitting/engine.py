"""The training engine: one loop for every encoder that is fitted by gradient descent."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict, dataclass

from brainbench.backbones.checkpoints import state_sha256
from brainbench.errors import StoreError
from brainbench.fitting.fit_state import FitState
from brainbench.fitting.fit_store import FitStore
from brainbench.fitting.model import EncoderModel
from brainbench.fitting.prediction import Validation
from brainbench.fitting.recipes import Recipe
from brainbench.fitting.soup import greedy_soup
from brainbench.fitting.standardisation import Standardisation
from brainbench.fitting.training_data import Batch, TrainingData
from brainbench.types import FitContext
from brainbench.util.hashing import digest
from brainbench.util.interrupts import whole

# Steps between two looks at the losses: on a GPU each makes the machine wait.
_CHECK_EVERY = 20
_TELL_EVERY_S = 0.25

NOTHING_LEARNED = (
    "nothing was learned: no epoch predicts the val split better than the mean response, which is predicted instead"
)


@dataclass(frozen=True)
class Training:
    """What comes of a training, beside the model.

    history: step, mean loss and val_r2 of every epoch; units: what the model's predictions are scaled back by; notes: what
    went otherwise than hoped for.
    """

    history: list[dict[str, float]]
    units: Standardisation
    notes: tuple[str, ...] = ()


def train(model: EncoderModel, data: TrainingData, recipe: Recipe, context: FitContext) -> Training:
    """Fit ``model`` in place, with the number of steps that the recipe has for so many trials.

    Loss (appendix E.3): smooth L1 with beta 0.1, plus the model's penalty times its decaying weight. AdamW. The best epochs
    on the val split are kept and greedily averaged. Raises DataError when the loss or the val R2 stops being finite.

    The mean response is a candidate too. If nothing predicts the val split better, the units have a scale of zero: the fit
    then predicts every voxel's mean over train, and a note says so.

    With a folder in ``context`` the fit goes on from the state it finds there, to the same bytes that it would have come to
    undisturbed. A KeyboardInterrupt leaves the state there, and says at which step.
    """
    model.to(context.device)
    fit = FitState(model, recipe.for_trials(len(data.train)))
    keeper = _keeper(fit, data, context)
    validation = Validation(model, data, context.device)
    try:
        with closing(data.batches(recipe.batch_size, context.seed, context.device, skip=fit.step)) as batches:
            _run(fit, batches, validation, keeper, context)
        best = greedy_soup(model, fit.checkpoints, validation.r2)
    except KeyboardInterrupt:
        if keeper is None:
            raise
        raise KeyboardInterrupt(f"the fit is kept at {fit}") from None
    if best > validation.of_the_mean:
        return Training(fit.history, data.units)
    return Training(fit.history, data.units.without_scale(), (NOTHING_LEARNED,))


def _keeper(fit: FitState, data: TrainingData, context: FitContext) -> FitStore | None:
    """What keeps this fit, which is taken to where it was stopped."""
    if context.folder is None:
        return None
    model = [type(fit.model).__module__, type(fit.model).__qualname__, state_sha256(fit.model)]
    keeper = FitStore(context.folder, digest([asdict(fit.recipe), context.seed, context.device, data.key, model]))
    try:
        found = keeper.load()
    except StoreError as reason:
        context.message(f"{reason}; the fit starts over")
        return keeper
    if found is not None:
        fit.restore(found)
        context.message(f"goes on from {fit}")
    return keeper


def _run(
    fit: FitState, batches: Generator[Batch], validation: Validation, keeper: FitStore | None, context: FitContext
) -> None:
    told = 0.0
    try:
        while not fit.ended:
            _advance(fit, batches, validation)
            if not fit.losses or time.monotonic() - told > _TELL_EVERY_S:
                told = time.monotonic()
                context.progress(fit.step, fit.recipe.steps, str(fit))
            if keeper is not None and keeper.due:
                with whole():
                    keeper.save(fit.snapshot())
    except KeyboardInterrupt:
        if keeper is not None:
            keeper.save(fit.snapshot())
        raise
    # The soup that follows changes the model, and takes a while.
    if keeper is not None:
        keeper.save(fit.snapshot())


def _advance(fit: FitState, batches: Generator[Batch], validation: Validation) -> None:
    """One step, or the look at the val split that closes an epoch."""
    if fit.epoch_over:
        fit.check_losses()
        score = validation.r2()
        with whole():
            fit.close_epoch(score)
    else:
        batch = next(batches)
        with whole():
            fit.descend(*batch)
        if fit.step % _CHECK_EVERY == 0:
            fit.check_losses()
