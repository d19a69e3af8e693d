"""The contract of encoders. Each check says what it saw, or raises ContractError."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from brainbench.cards import EncoderCard
from brainbench.protocols import Encoder, Fitted, Restoring
from brainbench.registry import installed
from brainbench.testing.cases import expect, no_network, untouched_random_state
from brainbench.types import FitContext, Responses

STIMULI, VOXELS, LAYERS, CHANNELS, GRID = 60, 9, 3, 6, 8
# Enough to see what an encoder does, too few to be good.
STEPS = 10


class ToyFeatures:
    """Tokens of smooth noise, held in memory. hidden: rows whose tokens are NaN."""

    key = "toy"
    layers = tuple(f"layer{i + 1}" for i in range(LAYERS))
    channels = (CHANNELS,) * LAYERS
    grids = ((GRID, GRID),) * LAYERS

    def __init__(self, hidden: np.ndarray | None = None) -> None:
        rng = np.random.default_rng(0)
        self._local = [rng.normal(size=(STIMULI, CHANNELS, GRID, GRID)).astype(np.float32) for _ in range(LAYERS)]
        self._global: list[np.ndarray] = [tokens.mean(axis=(2, 3)) for tokens in self._local]
        if hidden is not None:
            for tokens in (*self._local, *self._global):
                tokens[hidden] = np.nan

    def __len__(self) -> int:
        return STIMULI

    def local_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[n, C, H, W]."""
        return np.asarray(self._local[layer][rows])

    def global_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[n, C]."""
        return np.asarray(self._global[layer][rows])


def toy_responses(hidden: bool = False) -> Responses:
    """Voxels that read the first layer's global token, with noise; hidden: those of the test split are NaN."""
    rng = np.random.default_rng(1)
    signal = ToyFeatures().global_tokens(0) @ rng.normal(size=(CHANNELS, VOXELS))
    values = (signal / signal.std() + 0.3 * rng.normal(size=signal.shape)).astype(np.float32)
    split = np.array((["train"] * 4 + ["val", "test"]) * (STIMULI // 6))
    if hidden:
        values[split == "test"] = np.nan
    coordinates = rng.normal(size=(VOXELS, 3)).astype(np.float32) * 30
    return Responses("toy", values, np.arange(STIMULI), split, "toy", coordinates=coordinates)


class EncoderCase:
    """One encoder under test, and its fit to the toy responses."""

    def __init__(self, card: EncoderCard) -> None:
        self.card = card
        self.responses = toy_responses()
        self.rows = self.responses.rows("val")

    @classmethod
    def named(cls, name: str) -> EncoderCase:
        """Return the case of an installed encoder. Raises UsageError if there is none of this name."""
        return cls(installed().encoders.get(name).card)

    def load(self) -> Encoder:
        """A new encoder; one that takes steps takes few."""
        known = {setting.name for setting in self.card.all_settings()}
        encoder = self.card.loader(settings=self.card.resolve_settings({"steps": STEPS} if "steps" in known else {}))
        expect(isinstance(encoder, Encoder), f"load() returned {type(encoder).__name__}, expected an Encoder")
        return encoder  # type: ignore[no-any-return]

    def fit(self, responses: Responses | None = None, features: ToyFeatures | None = None, seed: int = 0) -> Fitted:
        """Fit to the given responses, by default the toy responses."""
        fitted = self.load().fit(features or ToyFeatures(), responses or self.responses, FitContext(seed, "cpu"))
        expect(isinstance(fitted, Fitted), f"fit() returned {type(fitted).__name__}, expected a Fitted")
        return fitted

    @cached_property
    def fitted(self) -> Fitted:
        """The fit that most checks look at."""
        return self.fit()

    def predicted(self, fitted: Fitted) -> np.ndarray:
        """Return what a fit predicts for the val images."""
        return np.asarray(fitted.predict(ToyFeatures(), self.rows))


def predictions(case: EncoderCase) -> str:
    """predict() gives [n, V], finite, in the order of the images asked for."""
    found = case.predicted(case.fitted)
    wanted = (len(case.rows), VOXELS)
    expect(found.shape == wanted, f"predict() gave {list(found.shape)}, expected {list(wanted)}")
    expect(bool(np.isfinite(found).all()), "predict() gave NaN or infinite values")
    turned = np.asarray(case.fitted.predict(ToyFeatures(), case.rows[::-1]))
    expect(np.allclose(turned, found[::-1], atol=1e-4), "images asked for in another order are predicted otherwise")
    return f"{list(wanted)}"


def same_seed(case: EncoderCase) -> str:
    """The same seed gives the same bytes."""
    expect(
        case.predicted(case.fit()).tobytes() == case.predicted(case.fitted).tobytes(),
        "a second fit of the same seed differs",
    )
    return "the same bytes"


def test_split(case: EncoderCase) -> str:
    """A fit does not look at the test split: neither at its responses nor at its images."""
    test = case.responses.rows("test")
    fitted = case.fit(toy_responses(hidden=True), ToyFeatures(hidden=test))
    same = np.array_equal(case.predicted(fitted), case.predicted(case.fitted))
    expect(same, "the fit changes when the test split's responses and tokens are NaN: it looked at them")
    return "not looked at"


def parameters(case: EncoderCase) -> str:
    """``parameters()`` returns tensors by name."""
    found = case.fitted.parameters()
    good = isinstance(found, Mapping) and all(isinstance(value, torch.Tensor) for value in found.values())
    expect(good, f"parameters() gave {found!r:.80}, expected tensors by name")
    return f"{sum(value.numel() for value in found.values())} numbers"


def restored(case: EncoderCase) -> str:
    """What was stored predicts what the fit predicted, to within 1e-5."""
    encoder = case.load()
    if not isinstance(encoder, Restoring):
        return "no restore(): `brainbench predict` cannot use its fits"
    stored = load(save({name: tensor.contiguous() for name, tensor in case.fitted.parameters().items()}))
    again = case.predicted(encoder.restore(stored, ToyFeatures(), "cpu"))
    expect(np.allclose(again, case.predicted(case.fitted), atol=1e-5), "a restored fit predicts something else")
    return "the same predictions"


def selectors(case: EncoderCase) -> str:
    """The selectors that the card names, and no other; layer weights sum to 1."""
    found = case.fitted.selectors
    have = {name for name in ("space", "layer", "scale", "channel") if getattr(found, name, None) is not None}
    expect(
        have == set(case.card.selectors), f"the card names {sorted(case.card.selectors)}, the fit has {sorted(have)}"
    )
    if found is not None and found.layer is not None:
        good = found.layer.shape == (VOXELS, LAYERS) and np.allclose(found.layer.sum(axis=1), 1, atol=1e-4)
        expect(good, f"layer selectors {list(found.layer.shape)}: expected [{VOXELS}, {LAYERS}], rows that sum to 1")
    return ", ".join(sorted(have)) or "none"


def history(case: EncoderCase) -> str:
    """The history consists of numbers by name, the notes of sentences."""
    rows, notes = case.fitted.history, case.fitted.notes
    good = all(isinstance(value, int | float) for row in rows for value in dict(row).values())
    expect(good, f"history {list(rows)!r:.80}: expected numbers by name")
    expect(all(isinstance(note, str) for note in notes), f"notes {list(notes)!r:.80}: expected sentences")
    return f"{len(rows)} rows, {len(notes)} notes"


def quiet(case: EncoderCase) -> str:
    """Fitting leaves the global generators unchanged and contacts no other machine."""
    with no_network("fitting"), untouched_random_state("fitting"):
        case.fit()
    return "no network, global generators untouched"


Check = Callable[[EncoderCase], Any]
ENCODER_CHECKS: Mapping[str, Check] = {
    check.__name__.replace("_", " "): check
    for check in (predictions, same_seed, test_split, parameters, restored, selectors, history, quiet)
}
