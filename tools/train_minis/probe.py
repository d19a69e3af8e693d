"""A linear probe: how well a logistic regression on frozen features tells what a scene shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from tools.train_minis.stream import PLACES, Scenes


def probe(features: Callable[[Scenes], Tensor], seen: Scenes, held_out: Scenes) -> dict[str, float]:
    """Accuracy in naming the place on held-out scenes; features: scenes -> [n, C]."""
    with torch.no_grad():
        known, asked = (np.asarray(features(part)) for part in (seen, held_out))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, C=0.1)).fit(known, seen.places)
    accuracy = float(model.score(asked, held_out.places))
    return {"probe_accuracy": accuracy, "chance_probe_accuracy": 1 / len(PLACES)}
