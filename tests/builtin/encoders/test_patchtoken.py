from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from brainbench import FitContext, Responses
from brainbench.builtin.encoders.cards import PATCHTOKEN
from brainbench.builtin.encoders.patchtoken import PatchTokenModel
from brainbench.fitting import FAST
from brainbench.fitting.channel_align import unit

MakeFeatures = Callable[..., Any]


def test_model_is_align_flatten_squeeze_mean_regression() -> None:
    generator = torch.Generator().manual_seed(0)
    model = PatchTokenModel((5, 3), 6, 4, replace(FAST, dim=8), generator).double()
    tokens = [torch.randn(2, 6, c, generator=generator, dtype=torch.float64) for c in (5, 3)]
    p = {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
    squeezed = []
    for layer, given in enumerate(tokens):
        aligned = np.einsum("bpc,dc->bpd", given.numpy(), p[f"align.layers.{layer}"]).reshape(2, -1)
        hidden = aligned @ p[f"squeeze.{layer}.0.weight"].T * unit(6 * 8) + p[f"squeeze.{layer}.0.bias"]
        hidden = torch.nn.functional.gelu(torch.tensor(hidden)).numpy()
        squeezed.append(hidden @ p[f"squeeze.{layer}.2.weight"].T + p[f"squeeze.{layer}.2.bias"])
    expected = np.mean(squeezed, axis=0) @ p["regression.weight"].T + p["regression.bias"]
    np.testing.assert_allclose(model(tokens).detach().numpy(), expected, rtol=1e-10)


def test_it_learns_what_lies_at_one_place(memory_features: MakeFeatures) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(400, 3, 4, 4)).astype(np.float32)
    values = (tokens[:, :, 1, 2] @ rng.normal(size=(3, 5))).astype(np.float32)
    split = np.where(np.arange(400) % 10 == 0, "val", np.where(np.arange(400) % 10 == 1, "test", "train"))
    responses = Responses("1", values, np.arange(400), split, "key")
    encoder = PATCHTOKEN.loader(settings=PATCHTOKEN.resolve_settings({"steps": 400, "dim": 4}))
    fitted = encoder.fit(memory_features([tokens]), responses, FitContext(0, "cpu"))
    test = responses.rows("test")
    predicted = fitted.predict(memory_features([tokens]), test)
    # Weight decay shrinks predictions, which costs R2 where there is no noise to guard against.
    assert np.corrcoef(values[test].ravel(), predicted.ravel())[0, 1] > 0.9
    assert fitted.selectors is None
