from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import oracle
import pytest
import torch
from sklearn.metrics import r2_score
from torch import Tensor

from brainbench import FitContext, Responses
from brainbench.builtin.encoders.cards import GNETVIT
from brainbench.builtin.encoders.gnetvit import GNetViTModel
from brainbench.fitting import FAST, pooling_fields

MakeFeatures = Callable[..., Any]


def written_out(p: dict[str, Tensor], tokens: list[Tensor]) -> Tensor:
    """Field by field, in float64: [B, V]. Fields are stored as multiples of an average's."""
    places = tokens[0].shape[1]
    fields = p["fields"].view(len(p["fields"]), len(tokens), places) / (len(tokens) * places)
    v = torch.zeros(())
    for layer, given in enumerate(tokens):
        v = v + torch.einsum("bpc,dc,vp->bvd", given, p[f"align.layers.{layer}"], fields[:, layer])
    return (v * p["channel"]).sum(dim=2) + p["constant"]


@pytest.mark.parametrize(("channels", "images", "voxels"), [((5, 3, 8), 4, 90), ((4,), 1, 1), ((4, 4), 1, 40)])
def test_responses_loss_and_every_gradient_in_float64(
    channels: tuple[int, ...], images: int, voxels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pooling_fields._BLOCK, "cpu", 1)  # blocks of 16 voxels
    generator = torch.Generator().manual_seed(0)
    model = GNetViTModel(channels, 12, voxels, FAST, generator)
    for parameter in model.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator))
    names = [name for name, _ in model.named_parameters()]
    double = {name: q.detach().double().requires_grad_() for name, q in model.named_parameters()}
    tokens = [torch.randn(images, 12, c, generator=generator) for c in channels]
    observed = torch.randn(images, voxels, generator=generator)
    expected = written_out(double, [t.double() for t in tokens])
    assert (model(tokens) - expected).abs().max() <= 1e-6 * expected.abs().max()
    theirs = oracle.smooth_l1(expected - observed)
    mine = model.loss(tokens, observed, 0.5)
    assert mine.item() == pytest.approx(theirs.item(), rel=1e-6)
    gradients = torch.autograd.grad(mine, list(model.parameters()))
    for name, gradient, truth in zip(names, gradients, torch.autograd.grad(theirs, list(double.values())), strict=True):
        assert (gradient - truth).abs().max() <= 1e-5 * truth.abs().max(), name


@pytest.mark.slow
def test_every_voxel_finds_its_own_place_and_layer(memory_features: MakeFeatures) -> None:
    rng = np.random.default_rng(0)
    layers = [rng.normal(size=(500, 3, 3, 3)).astype(np.float32) for _ in range(2)]
    weights = rng.normal(size=(3, 5))
    values = np.stack([layers[v % 2][:, :, v % 3, v // 2] @ weights[:, v] for v in range(5)], axis=1)
    split = np.where(np.arange(500) % 10 == 0, "val", np.where(np.arange(500) % 10 == 1, "test", "train"))
    responses = Responses("1", values.astype(np.float32), np.arange(500), split, "key")
    encoder = GNETVIT.loader(settings=GNETVIT.resolve_settings({"steps": 900, "dim": 4}))
    features = memory_features(layers)
    fitted = encoder.fit(features, responses, FitContext(0, "cpu"))
    test = responses.rows("test")
    assert r2_score(values[test], fitted.predict(features, test)) > 0.8
    assert fitted.selectors is None
    fields = fitted.model.fields.detach().abs().view(5, 2, 3, 3)
    assert [int(fields[v].flatten().argmax()) for v in range(5)] == [v % 2 * 9 + v % 3 * 3 + v // 2 for v in range(5)]
