"""The training engine and what encoders are made of; public, encoder plugins build on it. Imports torch."""

from __future__ import annotations

from brainbench.fitting.data import TrainingData, load_training_data
from brainbench.fitting.engine import EncoderModel, predict, train
from brainbench.fitting.fitted import FittedModel
from brainbench.fitting.losses import smooth_l1
from brainbench.fitting.modules import ChannelAlign, Linear
from brainbench.fitting.readout import Selection, bilinear_corners, read_out, read_out_loss
from brainbench.fitting.recipes import FAST, PAPER, RECIPES, Recipe
from brainbench.fitting.scaling import Standardisation
from brainbench.fitting.selectors import FreeSelectors, TopologicalSelectors, entropy_penalty, positional_encoding
from brainbench.fitting.soup import Checkpoints, greedy_soup
from brainbench.fitting.tokens import TokenReader, load_tokens, one_grid

__all__ = [
    "FAST",
    "PAPER",
    "RECIPES",
    "ChannelAlign",
    "Checkpoints",
    "EncoderModel",
    "FittedModel",
    "FreeSelectors",
    "Linear",
    "Recipe",
    "Selection",
    "Standardisation",
    "TokenReader",
    "TopologicalSelectors",
    "TrainingData",
    "bilinear_corners",
    "entropy_penalty",
    "greedy_soup",
    "load_tokens",
    "load_training_data",
    "one_grid",
    "positional_encoding",
    "predict",
    "read_out",
    "read_out_loss",
    "smooth_l1",
    "train",
]
