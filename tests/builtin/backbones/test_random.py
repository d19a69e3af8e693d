from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from brainbench import Backbone, Weights, WeightsError
from brainbench.builtin.backbones.cards import RANDOM

UNTRAINED = Weights("untrained")


def pictures(count: int) -> list[Image.Image]:
    """Blobs: noise enlarged from several coarse grids."""
    generator = np.random.default_rng(0)
    result = []
    for _ in range(count):
        layers = [
            np.asarray(Image.fromarray(generator.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize((64, 64)), float)
            for n in (2, 4, 8, 16, 32, 64)
        ]
        result.append(Image.fromarray(np.mean(layers, axis=0).astype(np.uint8)))
    return result


def load(seed: int = 0, **settings: Any) -> Any:
    return RANDOM.loader(weights=UNTRAINED, settings=RANDOM.resolve_settings({"init_seed": seed, **settings}))


def batch(count: int) -> Tensor:
    backbone = load()
    return torch.stack([backbone.preprocess(picture) for picture in pictures(count)])


def test_is_the_backbone_of_its_card() -> None:
    backbone = load()
    tokens = backbone.tokens(batch(2))
    assert isinstance(load(), Backbone)
    assert RANDOM.control
    assert len(backbone.layers) == RANDOM.layers == len(tokens.local_tokens)
    assert {t.shape for t in tokens.local_tokens} == {(2, RANDOM.width, 8, 8)}
    assert {t.shape for t in tokens.global_tokens} == {(2, RANDOM.width)}
    assert sum(p.numel() for p in backbone.module.parameters()) == RANDOM.parameters
    assert all(t.abs().max() < torch.finfo(torch.float16).max / 100 for t in tokens.local_tokens)


def test_neighbouring_layers_differ() -> None:
    tokens = load().tokens(batch(60))
    for kind in (tokens.local_tokens, tokens.global_tokens):
        centred = [(t - t.mean(dim=0)).flatten(2) if t.ndim > 2 else t - t.mean(dim=0) for t in kind]
        correlations = [float(torch.cosine_similarity(one, two, dim=1).mean()) for one, two in pairwise(centred)]
        assert all(0.4 < r < 0.8 for r in correlations), correlations


def test_late_layers_still_tell_images_apart() -> None:
    last = load().tokens(batch(20)).local_tokens[-1]
    vectors = (last - last.mean(dim=0)).flatten(1)
    similarity = torch.corrcoef(vectors) - torch.eye(20)
    assert similarity.abs().max() < 0.7


def test_the_seed_draws_the_weights_and_nothing_else() -> None:
    before = torch.get_rng_state()
    one, same, other = load(0), load(0), load(1)
    assert torch.equal(torch.get_rng_state(), before)
    x = batch(1)
    assert torch.equal(one.tokens(x).local_tokens[-1], same.tokens(x).local_tokens[-1])
    assert not torch.allclose(one.tokens(x).local_tokens[-1], other.tokens(x).local_tokens[-1], atol=0.1)


def test_weights_are_orthogonal() -> None:
    block = load().module.blocks[3]
    eye = torch.eye(96)
    torch.testing.assert_close(block.query @ block.query.T, 9 * eye, atol=1e-4, rtol=0)
    torch.testing.assert_close(block.expand.T @ block.expand, eye, atol=1e-5, rtol=0)


def test_one_block_in_float64() -> None:
    block = load().module.blocks[2]
    x = torch.randn(1, 65, 96, generator=torch.Generator().manual_seed(0))

    def norm(v: np.ndarray) -> np.ndarray:
        centred = v - v.mean(-1, keepdims=True)
        return np.asarray(centred / np.sqrt(v.var(-1, keepdims=True) + 1e-5))

    w = {name: value.double().numpy() for name, value in block.named_parameters()}
    tokens = x[0].double().numpy()
    y = norm(tokens)
    heads = []
    for h in (slice(0, 32), slice(32, 64), slice(64, 96)):
        logits = (y @ w["query"][h].T) @ (y @ w["key"][h].T).T / np.sqrt(32)
        attention = np.exp(logits - logits.max(1, keepdims=True))
        heads.append(attention / attention.sum(1, keepdims=True) @ (y @ w["value"][h].T))
    tokens = tokens + block.gain * np.concatenate(heads, axis=1) @ w["project"].T
    hidden = torch.from_numpy(norm(tokens) @ w["expand"].T)
    tokens = tokens + block.gain * (hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))).numpy() @ w["contract"].T
    np.testing.assert_allclose(block(x)[0].numpy(), tokens, atol=1e-4)
    assert block.gain == pytest.approx(1.0 * 1.3**2)


def test_patches_lie_row_by_row() -> None:
    backbone = load()
    x = torch.zeros(2, 3, 64, 64)
    x[1, :, 16:24, 40:48] = 1
    grey, marked = backbone.tokens(x).local_tokens[0]
    assert int((marked - grey).norm(dim=0).argmax()) == 2 * 8 + 5


def test_alone_as_in_a_batch() -> None:
    backbone, x = load(), batch(3)
    together = backbone.tokens(x)
    alone = backbone.tokens(x[1:2])
    for one, all_three in zip(alone.local_tokens, together.local_tokens, strict=True):
        torch.testing.assert_close(one[0], all_three[1], atol=1e-3, rtol=1e-4)


def test_takes_no_file(tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"random takes no weights, .*w\.pth was given; .* --set random\.init_seed=N"
    ):
        RANDOM.loader(weights=Weights("file", tmp_path / "w.pth"), settings=RANDOM.resolve_settings({}))
