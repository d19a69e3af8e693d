from __future__ import annotations

import os
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from brainbench_mae import model
from brainbench_mae.plugin import CARDS
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import gelu, scaled_dot_product_attention
from transformers import ViTMAEConfig, ViTMAEModel

from brainbench import Backbone, BackboneCard, Tokens, Weights, WeightsError

pytestmark = pytest.mark.slow

NETWORKS = {card.name: card for card in CARDS}
RELEASED = [card for card in CARDS if not card.mini]
MINI = NETWORKS["mae/mini"]
BASE = NETWORKS["mae/vit-b-16"]
HUGE = NETWORKS["mae/vit-h-14"]
State = dict[str, Tensor]


def load(card: BackboneCard = MINI, path: Path | None = None, **settings: Any) -> Any:
    weights = Weights("file", path) if path else Weights("untrained")
    return card.loader(weights=weights, settings=card.resolve_settings(settings))


def images(count: int, size: int = 64) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def sequences(tokens: Tokens) -> list[Tensor]:
    """[B, 1 + N, C] per layer: the class token and the patches, row by row."""
    pairs = zip(tokens.local_tokens, tokens.global_tokens, strict=True)
    return [torch.cat([glob[:, None], local.flatten(2).transpose(1, 2)], dim=1) for local, glob in pairs]


def by_timm(network: Any, batch: Tensor) -> list[Tensor]:
    """The same, by timm's own intermediates."""
    with torch.no_grad():
        read = network.forward_intermediates(batch, return_prefix_tokens=True, norm=False, intermediates_only=True)
    return [torch.cat([prefix, patches.flatten(2).transpose(1, 2)], dim=1) for patches, prefix in read]


def attended(network: Any, batch: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Of each block, what goes into it and what goes into its second norm: [B, 1 + N, C] each."""
    into: list[Tensor] = []
    hooks = [
        m.register_forward_pre_hook(lambda _, x: into.append(x[0].clone()))
        for b in network.blocks
        for m in (b, b.norm2)
    ]
    with torch.no_grad():
        network(batch)
    for hook in hooks:
        hook.remove()
    return list(zip(into[::2], into[1::2], strict=True))


def release(*, width: int = 96, depth: int = 12, patch: int = 8, grid: int = 8, decoder: bool = False) -> State:
    """A state dict with the names and shapes of Meta's release, with the decoder if asked for; random."""
    draw = torch.Generator().manual_seed(7)
    state: State = {}

    def put(name: str, *shape: int, mean: float = 0.0, sd: float = 0.02) -> None:
        state[name] = mean + sd * torch.randn(*shape, generator=draw)

    def block(stem: str, width: int) -> None:
        shapes = {"attn.qkv": (3, 1), "attn.proj": (1, 1), "mlp.fc1": (4, 1), "mlp.fc2": (1, 4)}
        for name, (outputs, inputs) in shapes.items():
            put(f"{stem}.{name}.weight", outputs * width, inputs * width, sd=0.1)
            put(f"{stem}.{name}.bias", outputs * width)
        norm(f"{stem}.norm1", width)
        norm(f"{stem}.norm2", width)

    def norm(name: str, width: int) -> None:
        put(f"{name}.weight", width, mean=1.0, sd=0.1)
        put(f"{name}.bias", width)

    put("cls_token", 1, 1, width)
    put("pos_embed", 1, 1 + grid**2, width, sd=0.3)
    put("patch_embed.proj.weight", width, 3, patch, patch)
    put("patch_embed.proj.bias", width)
    for i in range(depth):
        block(f"blocks.{i}", width)
    norm("norm", width)
    if decoder:
        put("mask_token", 1, 1, 32)
        put("decoder_embed.weight", 32, width)
        put("decoder_embed.bias", 32)
        put("decoder_pos_embed", 1, 1 + grid**2, 32)
        for i in range(2):
            block(f"decoder_blocks.{i}", 32)
        norm("decoder_norm", 32)
        put("decoder_pred.weight", 3 * patch**2, 32)
        put("decoder_pred.bias", 3 * patch**2)
    return state


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here timm builds every network with two layers of 96 channels."""
    monkeypatch.setattr(timm, "create_model", partial(timm.create_model, depth=2, embed_dim=96, num_heads=3))


@pytest.fixture(scope="module")
def released_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("weights") / "mae_pretrain_vit_base.pth"
    torch.save({"model": release(width=768, patch=16, grid=14)}, path)
    yield path
    path.unlink()


def by_hand(state: State, batch: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """The encoder's equations without a mask, with nothing of timm's: block outputs and what attention adds."""

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    count, width, patch = len(batch), state["cls_token"].shape[-1], state["patch_embed.proj.weight"].shape[-1]
    squares = batch.unfold(2, patch, patch).unfold(3, patch, patch).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    x = squares @ state["patch_embed.proj.weight"].flatten(1).T + state["patch_embed.proj.bias"]
    x = torch.cat([state["cls_token"].expand(count, 1, width), x], dim=1) + state["pos_embed"]
    blocks, branches = [], []
    for i in range(2):
        at = f"blocks.{i}"
        q, k, v = (
            linear(norm(x, f"{at}.norm1"), f"{at}.attn.qkv").unflatten(2, (3, 3, width // 3)).permute(2, 0, 3, 1, 4)
        )
        branches.append(linear(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2), f"{at}.attn.proj"))
        x = x + branches[-1]
        x = x + linear(gelu(linear(norm(x, f"{at}.norm2"), f"{at}.mlp.fc1")), f"{at}.mlp.fc2")
        blocks.append(x)
    return blocks, branches


def in_transformers(state: State, *, size: int) -> Any:
    """The encoder of transformers with the weights of a release."""
    network: Any = ViTMAEModel(
        ViTMAEConfig(
            hidden_size=96,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=384,
            image_size=size,
            patch_size=state["patch_embed.proj.weight"].shape[-1],
            layer_norm_eps=1e-6,
            mask_ratio=0.0,
        )
    )
    theirs: State = {}
    for name, value in state.items():
        parts = name.split(".")
        if parts[0] == "blocks":
            owner = {"attn": "attention", "norm1": "layernorm_before", "norm2": "layernorm_after"}.get(
                parts[2], parts[2]
            )
            stem = f"layers.{parts[1]}.{owner}"
            if parts[3] == "qkv":
                for half, part in zip("qkv", value.chunk(3), strict=True):
                    theirs[f"{stem}.{half}_proj.{parts[4]}"] = part
            else:
                theirs[".".join([stem, *parts[3:]]).replace(".proj.", ".o_proj.")] = value
        elif parts[0] == "norm":
            theirs[f"layernorm.{parts[1]}"] = value
        else:
            new = name.replace("pos_embed", "position_embeddings").replace(
                "patch_embed.proj", "patch_embeddings.projection"
            )
            theirs[f"embeddings.{new}"] = value
    network.load_state_dict(theirs, strict=True)
    return network.eval()


def by_transformers(network: Any, batch: Tensor, **noise: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return list(network(batch, output_hidden_states=True, **noise).hidden_states[1:])


def test_full_size_from_a_file_of_meta(released_base: Path) -> None:
    backbone, batch = load(BASE, released_base), images(1, 224)
    read = sequences(backbone.tokens(batch))
    assert len(read) == 12
    assert read[0].shape == (1, 197, 768)
    assert all(map(torch.equal, read, by_timm(backbone.module, batch)))
    theirs = timm.create_model(
        "vit_base_patch16_224.mae", pretrained=True, pretrained_cfg_overlay={"file": str(released_base)}
    )
    assert all(map(torch.equal, read, by_timm(theirs.eval(), batch)))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("card", "grid"), [(BASE, 14), (HUGE, 16)], ids=["b-16", "h-14"])
def test_a_file_of_meta_gives_the_tokens_of_the_equations_and_of_transformers(
    card: BackboneCard, grid: int, tmp_path: Path
) -> None:
    state = release(depth=2, patch=card.patch or 0, grid=grid)
    torch.save({"model": state}, tmp_path / "w.pth")
    batch = images(2, 224)
    blocks, branches = by_hand(state, batch)
    for tap, expected in (("block", blocks), ("attention", branches)):
        read = sequences(load(card, tmp_path / "w.pth", tap=tap).tokens(batch))
        torch.testing.assert_close(read, expected, atol=2e-4, rtol=1e-4)
    noise = torch.arange(float(grid**2)).expand(2, -1)
    theirs = by_transformers(in_transformers(state, size=224), batch, noise=noise)
    torch.testing.assert_close(theirs, blocks, atol=2e-4, rtol=1e-4)


def test_nothing_is_masked_and_nothing_is_shuffled() -> None:
    """Elsewhere (transformers) a forward pass drops three quarters of the patches and shuffles the rest."""
    backbone, batch = load(), images(1)
    one, other = (sequences(backbone.tokens(batch)) for _ in range(2))
    assert all(map(torch.equal, one, other))
    assert one[0].shape == (1, 65, 96)
    marked = torch.zeros(2, 3, 64, 64)
    marked[1, :, 16:24, 40:48] = 3
    tokens = backbone.tokens(marked)
    for local in tokens.local_tokens:
        assert divmod(int((local[1] - local[0]).norm(dim=0).argmax()), 8) == (2, 5)
    # The class token has no picture of its own: it changes less than the patch that was marked.
    change = (tokens.local_tokens[0][1] - tokens.local_tokens[0][0]).norm(dim=0).max()
    assert (tokens.global_tokens[0][1] - tokens.global_tokens[0][0]).norm() < 0.5 * change


def test_attention_is_what_a_block_adds_first() -> None:
    backbone, batch = load(tap="attention"), images(2)
    for read, (start, after) in zip(sequences(backbone.tokens(batch)), attended(backbone.module, batch), strict=True):
        assert torch.equal(start + read, after)


def test_untrained_is_the_initialisation_of_timm() -> None:
    ours = load(BASE, init_seed=5).module.state_dict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        theirs = timm.create_model("vit_base_patch16_224.mae", num_classes=0).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_seed_draws_the_weights_and_nothing_else() -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[index]
    one, same, other = load(init_seed=1), load(init_seed=1), load(init_seed=2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # type: ignore[index]
    batch = images(1)
    last = [sequences(backbone.tokens(batch))[-1] for backbone in (one, same, other)]
    assert torch.equal(last[0], last[1])
    assert not torch.allclose(last[0], last[2], atol=0.1)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_card_tells_the_truth(card: BackboneCard) -> None:
    with torch.device("meta"):
        backbone = load(card)
    network = backbone.module
    assert len(backbone.layers) == len(network.blocks) == card.layers
    assert network.patch_embed.proj.weight.shape == (card.width, 3, card.patch, card.patch)
    assert network.patch_embed.img_size == (card.input_size, card.input_size)
    assert sum(p.numel() for p in network.parameters()) == card.parameters
    assert card.taps == tuple(model.TAPS)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("card", RELEASED, ids=lambda card: card.name)
def test_release_is_one_timm_knows(card: BackboneCard) -> None:
    architecture = card.loader.keywords["architecture"]  # type: ignore[attr-defined]
    config = timm.models.get_pretrained_cfg(f"{architecture}.{card.weights}")
    assert config.hf_hub_id == card.source
    assert config.license == str(card.licence).lower()
    assert config.input_size == (3, card.input_size, card.input_size)
    assert card.download_mb == pytest.approx((card.parameters or 0) * 4e-6, abs=1)


@pytest.mark.parametrize("preproc", ["paper", "native"])
def test_preproc(preproc: str) -> None:
    red = load(preproc=preproc).preprocess(Image.new("RGB", (90, 40), (255, 0, 0)))
    assert red.shape == (3, 64, 64)
    torch.testing.assert_close(red[:, 5, 60], torch.tensor([2.24891, -2.03571, -1.80444]))


def test_is_a_backbone() -> None:
    assert isinstance(load(), Backbone)


@pytest.mark.parametrize("kind", ["encoder", "with the decoder", "safetensors"])
def test_a_mini_of_ones_own(tmp_path: Path, kind: str) -> None:
    state, path = release(decoder=kind == "with the decoder"), tmp_path / "w"
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save({"model": state}, path)
    ours = load(path=path).module.state_dict()
    assert all(name.startswith(("decoder_", "mask_token")) for name in state.keys() - ours.keys())
    assert all(torch.equal(ours[name], state[name]) for name in ours)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("norm.bias"), r"missing: norm\.bias; give the file"),
        (lambda s: s.update({"head.weight": torch.zeros(1)}), r"unexpected: head\.weight; give the file"),
        (
            lambda s: s.update({"fc_norm.weight": s.pop("norm.weight")}),
            r"missing: norm\.weight; unexpected: fc_norm\.weight",
        ),
        (lambda s: s["blocks.3.norm1.weight"].fill_(torch.nan), r"hold NaN in blocks\.3\.norm1\.weight"),
        (lambda s: s.update(release(width=64)), r"wrong shape: cls_token is 1x1x64, not 1x1x96.* and \d+ more"),
        (lambda s: s.update(release(depth=13)), r"unexpected: blocks\.12\..* and \d+ more"),
        (lambda s: s.update(release(grid=7)), r"wrong shape: pos_embed is 1x50x96, not 1x65x96"),
    ],
    ids=["missing", "extra", "fine-tuned", "NaN", "narrow", "deep", "grid"],
)
def test_a_file_that_does_not_fit(change: Any, message: str, tmp_path: Path) -> None:
    state = release(decoder=True)
    change(state)
    torch.save({"model": state}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=rf"mae/mini.*w\.pth\).*{message}") as caught:
        load(path=tmp_path / "w.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("small")
def test_patches_of_16_pixels_are_not_stretched_to_14(tmp_path: Path) -> None:
    """A ViT-H/16 of another training run has all but two shapes of the release, and timm would resample those two."""
    torch.save(release(depth=2, patch=16, grid=14), tmp_path / "w.pth")
    message = (
        r"wrong shape: pos_embed is 1x197x96, not 1x257x96, patch_embed\.proj\.weight is 96x3x16x16, not 96x3x14x14"
    )
    with pytest.raises(WeightsError, match=message):
        load(HUGE, tmp_path / "w.pth")


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_hostile_file_runs_nothing(tmp_path: Path) -> None:
    torch.save({"model": release() | {"cls_token": Hostile(tmp_path / "owned")}}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth: not a tensors-only torch file"):
        load(path=tmp_path / "w.pth")
    assert not (tmp_path / "owned").exists()
