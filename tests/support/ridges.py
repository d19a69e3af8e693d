"""Ridge regressions one after another, by scikit-learn in float64: what closed forms are compared with."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Ridge

from brainbench.fitting.closed_form import PENALTIES, Folds


def explicit(
    read: np.ndarray, responses: np.ndarray, trials: np.ndarray, folds: Folds
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(weights [V, p], constant [V], penalty [V]), one regression after another."""
    mean = trials @ read / trials.sum()
    tau = float(trials @ np.square(read - mean).sum(axis=1) / trials.sum())
    fold, loss = folds.fold.numpy(), np.zeros((responses.shape[1], len(PENALTIES)))
    for number in range(folds.judged):
        rest, out = fold != number, fold == number
        for column, penalty in enumerate(PENALTIES):
            fit = Ridge(penalty * tau, solver="cholesky").fit(read[rest], responses[rest], trials[rest])
            loss[:, column] += trials[out] @ np.square(responses[out] - fit.predict(read[out]))
    chosen = loss.argmin(axis=1)
    fits = [
        Ridge(PENALTIES[c] * tau, solver="cholesky").fit(read, responses[:, v], trials) for v, c in enumerate(chosen)
    ]
    return np.stack([f.coef_ for f in fits]), np.array([f.intercept_ for f in fits]), chosen
