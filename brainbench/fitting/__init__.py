"""The training engine and what encoders are made of; public, encoder plugins build on it. Imports torch."""

from __future__ import annotations

from brainbench.fitting.aligned_features import AlignedFeatures
from brainbench.fitting.blur import blurred
from brainbench.fitting.channel_align import ChannelAlign, Linear, WideLinear
from brainbench.fitting.closed_form import ClosedReadOut, close
from brainbench.fitting.engine import Training, train
from brainbench.fitting.fit_state import FitState
from brainbench.fitting.fitted import FittedModel, fit_model, restore_model
from brainbench.fitting.identifiability import images_needed, layer_likeness
from brainbench.fitting.losses import smooth_l1
from brainbench.fitting.model import EncoderModel
from brainbench.fitting.pooling_fields import pool_out, pool_out_loss
from brainbench.fitting.prediction import evaluating
from brainbench.fitting.readout import Selection, read_out, read_out_loss
from brainbench.fitting.recipes import FAST, PAPER, RECIPES, Recipe
from brainbench.fitting.selectors import (
    SELECTORS,
    FreeSelectors,
    TopologicalSelectors,
    entropy_penalty,
    positional_encoding,
)
from brainbench.fitting.shared_model import SharedModel, fit_shared, restore_shared
from brainbench.fitting.soup import Checkpoints, greedy_soup
from brainbench.fitting.standardisation import Standardisation
from brainbench.fitting.token_reader import TokenReader, one_grid
from brainbench.fitting.training_data import TrainingData, load_training_data

__all__ = [
    "FAST",
    "PAPER",
    "RECIPES",
    "SELECTORS",
    "AlignedFeatures",
    "ChannelAlign",
    "Checkpoints",
    "ClosedReadOut",
    "EncoderModel",
    "FitState",
    "FittedModel",
    "FreeSelectors",
    "Linear",
    "Recipe",
    "Selection",
    "SharedModel",
    "Standardisation",
    "TokenReader",
    "TopologicalSelectors",
    "Training",
    "TrainingData",
    "WideLinear",
    "blurred",
    "close",
    "entropy_penalty",
    "evaluating",
    "fit_model",
    "fit_shared",
    "greedy_soup",
    "images_needed",
    "layer_likeness",
    "load_training_data",
    "one_grid",
    "pool_out",
    "pool_out_loss",
    "positional_encoding",
    "read_out",
    "read_out_loss",
    "restore_model",
    "restore_shared",
    "smooth_l1",
    "train",
]
