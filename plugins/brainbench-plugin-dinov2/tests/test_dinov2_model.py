from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from brainbench_dinov2 import model
from brainbench_dinov2.plugin import CARDS
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention, silu
from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

from brainbench import Backbone, BackboneCard, Tokens, Weights, WeightsError

pytestmark = pytest.mark.slow

NETWORKS = {card.name: card for card in CARDS}
RELEASED = [card for card in CARDS if not card.mini]
MINI = NETWORKS["dinov2/mini"]
BASE = NETWORKS["dinov2/vit-b-14"]
REGISTERS = NETWORKS["dinov2/vit-b-14-reg"]
GIANT = NETWORKS["dinov2/vit-g-14"]
GIANT_REGISTERS = NETWORKS["dinov2/vit-g-14-reg"]
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
    return [torch.cat([prefix[:, :1], patches.flatten(2).transpose(1, 2)], dim=1) for patches, prefix in read]


def attended(network: Any, batch: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Of each block, what goes into it and what goes into its second norm: without the registers, [B, 1 + N, C] each."""
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
    kept = [torch.cat([x[:, :1], x[:, network.num_prefix_tokens :]], dim=1) for x in into]
    return list(zip(kept[::2], kept[1::2], strict=True))


def release(
    *, width: int = 96, depth: int = 2, patch: int = 14, grid: int = 37, registers: bool = False, swiglu: bool = False
) -> State:
    """A state dict with the names and shapes of Meta's release; random, LayerScale about 1, smooth positions."""
    draw = torch.Generator().manual_seed(7)
    state: State = {}

    def put(name: str, *shape: int, mean: float = 0.0, sd: float = 0.02) -> None:
        state[name] = mean + sd * torch.randn(*shape, generator=draw)

    put("cls_token", 1, 1, width)
    put("pos_embed", 1, 1 + grid**2, width, sd=0.3)
    if registers:
        put("register_tokens", 1, 4, width, sd=0.3)
    put("mask_token", 1, width)
    shapes = {"attn.qkv": (3 * width, width), "attn.proj": (width, width)}
    hidden = (int(4 * width * 2 / 3) + 7) // 8 * 8 if swiglu else 4 * width
    if swiglu:
        shapes |= {"mlp.w12": (2 * hidden, width), "mlp.w3": (width, hidden)}
    else:
        shapes |= {"mlp.fc1": (hidden, width), "mlp.fc2": (width, hidden)}
    shapes |= {f"blocks.{i}.{name}": shape for i in range(depth) for name, shape in shapes.items()}
    for name, shape in shapes.items():
        if name.startswith("blocks."):
            put(f"{name}.weight", *shape, sd=0.1)
            put(f"{name}.bias", shape[0])
    for name in ("norm", *(f"blocks.{i}.norm{k}" for i in range(depth) for k in (1, 2))):
        put(f"{name}.weight", width, mean=1.0, sd=0.1)
        put(f"{name}.bias", width)
    for i in range(depth):
        put(f"blocks.{i}.ls1.gamma", width, mean=1.0, sd=0.3)
        put(f"blocks.{i}.ls2.gamma", width, mean=1.0, sd=0.3)
    put("patch_embed.proj.weight", width, 3, patch, patch)
    put("patch_embed.proj.bias", width)
    return state


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here timm builds every network with two layers of 96 channels."""
    monkeypatch.setattr(timm, "create_model", partial(timm.create_model, depth=2, embed_dim=96, num_heads=3))


@pytest.fixture(scope="module")
def released_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("weights") / "dinov2_vitb14_pretrain.pth"
    torch.save(release(width=768, depth=12), path)
    yield path
    path.unlink()


def resampling(grid: int, *, registers: bool) -> np.ndarray:
    """[grid, 37]: one axis of the bicubic resampling of the authors, from the formula of the kernel, in float64."""
    scale = 37 / grid if registers else 37 / (grid + 0.1)
    # torch's kernels: a = -0.5 and stretched by the scale when antialiased, a = -0.75 and unstretched when not.
    a, stretch = (-0.5, scale) if registers else (-0.75, 1.0)
    matrix = np.zeros((grid, 37))
    for row in range(grid):
        centre = (row + 0.5) * scale - 0.5
        for column in range(-8, 45):
            t = abs(column - centre) / stretch
            near, far = (a + 2) * t**3 - (a + 3) * t**2 + 1, a * (t**3 - 5 * t**2 + 8 * t - 4)
            weight = near if t <= 1 else far if t < 2 else 0.0
            # What lies outside is the border again; with antialiasing it does not count.
            if not registers or 0 <= column < 37:
                matrix[row, min(max(column, 0), 36)] += weight
    return matrix / matrix.sum(axis=1, keepdims=True)


def at_16(positions: Tensor, *, registers: bool) -> Tensor:
    """[1, 1 + 37 * 37, C] -> [1, 1 + 16 * 16, C] by that formula."""
    matrix = resampling(16, registers=registers)
    field = positions[0, 1:].reshape(37, 37, -1).double().numpy()
    new = np.einsum("ia,jb,abc->ijc", matrix, matrix, field).reshape(1, 256, -1)
    return torch.cat([positions[:, :1], torch.from_numpy(new).float()], dim=1)


def in_transformers(state: State, size: int, folder: Path) -> Any:
    """The network of transformers, read from a file in ``folder`` of a release whose positions are those of ``size``.

    Names are those of the files on the hub; what its modules are called differs from version to version.
    """
    width, swiglu = state["cls_token"].shape[-1], "blocks.0.mlp.w12.weight" in state
    facts: dict[str, Any] = {
        "hidden_size": width,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "image_size": size,
        "patch_size": 14,
        "use_swiglu_ffn": swiglu,
    }
    if "register_tokens" in state:
        kind: Any = Dinov2WithRegistersModel
        Dinov2WithRegistersConfig(num_register_tokens=4, **facts).save_pretrained(folder)
    else:
        kind = Dinov2Model
        Dinov2Config(**facts).save_pretrained(folder)
    theirs: State = {"embeddings.mask_token": torch.zeros(1, width)}
    for name, value in state.items():
        parts = name.split(".")
        if parts[0] == "blocks":
            owner = {"attn": "attention", "ls1": "layer_scale1", "ls2": "layer_scale2"}.get(parts[2], parts[2])
            stem = f"encoder.layer.{parts[1]}.{owner}"
            if parts[-1] == "gamma":
                theirs[f"{stem}.lambda1"] = value
            elif len(parts) == 4:
                theirs[f"{stem}.{parts[3]}"] = value
            elif parts[3] == "qkv":
                for part, one in zip(("query", "key", "value"), value.chunk(3), strict=True):
                    theirs[f"{stem}.attention.{part}.{parts[4]}"] = one.contiguous()
            else:
                new = {"proj": "output.dense", "w12": "weights_in", "w3": "weights_out"}.get(parts[3], parts[3])
                theirs[f"{stem}.{new}.{parts[4]}"] = value
        elif parts[0] == "norm":
            theirs[f"layernorm.{parts[1]}"] = value
        else:
            new = name.replace("pos_embed", "position_embeddings").replace(
                "patch_embed.proj", "patch_embeddings.projection"
            )
            theirs[f"embeddings.{new}"] = value
    save_file({name: value.contiguous() for name, value in theirs.items()}, folder / "model.safetensors")
    network, told = kind.from_pretrained(folder, output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    return network.eval()


def by_transformers(network: Any, batch: Tensor) -> list[Tensor]:
    with torch.no_grad():
        states = network(batch, output_hidden_states=True).hidden_states[1:]
    patches = (batch.shape[-1] // 14) ** 2
    return [torch.cat([s[:, :1], s[:, -patches:]], dim=1) for s in states]


@pytest.mark.parametrize("registers", [False, True])
def test_positions_are_resampled_as_the_authors_do(registers: bool) -> None:
    positions = torch.randn(1, 1 + 37**2, 5, generator=torch.Generator().manual_seed(1))
    ours = model.resampled(positions[:, 1:], 16, registers=registers)
    assert ours.shape == (1, 256, 5)
    torch.testing.assert_close(ours, at_16(positions, registers=registers)[:, 1:], atol=3e-5, rtol=0)
    other = at_16(positions, registers=not registers)[:, 1:]
    assert (ours - other).norm() > 0.05 * other.norm()


def test_without_registers_the_offset_counts() -> None:
    positions = torch.randn(1, 37**2, 5, generator=torch.Generator().manual_seed(1))
    field = positions.reshape(1, 37, 37, 5).permute(0, 3, 1, 2)
    plain = torch.nn.functional.interpolate(field, size=(16, 16), mode="bicubic").flatten(2).transpose(1, 2)
    assert (model.resampled(positions, 16, registers=False) - plain).norm() > 0.05 * plain.norm()


def test_full_size_from_a_file_of_meta(released_base: Path) -> None:
    backbone, batch = load(BASE, released_base), images(1, 224)
    read = sequences(backbone.tokens(batch))
    assert len(read) == 12
    assert read[0].shape == (1, 257, 768)
    assert all(map(torch.equal, read, by_timm(backbone.module, batch)))
    loaded, file = backbone.module.state_dict(), torch.load(released_base)
    assert torch.equal(loaded["blocks.11.mlp.fc2.weight"], file["blocks.11.mlp.fc2.weight"])
    torch.testing.assert_close(loaded["pos_embed"], at_16(file["pos_embed"], registers=False), atol=3e-5, rtol=0)


def by_hand(state: State, batch: Tensor, *, registers: bool) -> tuple[list[Tensor], list[Tensor]]:
    """The network's equations, with nothing of timm's: block outputs and what attention adds, [B, 1 + N, C] each."""

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    count, width = len(batch), state["cls_token"].shape[-1]
    patches = batch.unfold(2, 14, 14).unfold(3, 14, 14).permute(0, 2, 3, 1, 4, 5).reshape(count, 256, -1)
    x = patches @ state["patch_embed.proj.weight"].flatten(1).T + state["patch_embed.proj.bias"]
    x = torch.cat([state["cls_token"].expand(count, 1, width), x], dim=1) + at_16(
        state["pos_embed"], registers=registers
    )
    prefix = 1
    if registers:
        x = torch.cat([x[:, :1], state["register_tokens"].expand(count, 4, width), x[:, 1:]], dim=1)
        prefix = 5
    blocks, branches = [], []
    for i in range(2):
        at = f"blocks.{i}"
        q, k, v = (
            linear(norm(x, f"{at}.norm1"), f"{at}.attn.qkv").unflatten(2, (3, 3, width // 3)).permute(2, 0, 3, 1, 4)
        )
        mixed = scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        branch = linear(mixed, f"{at}.attn.proj") * state[f"{at}.ls1.gamma"]
        x = x + branch
        hidden = norm(x, f"{at}.norm2")
        if f"{at}.mlp.w12.weight" in state:
            gate, value = linear(hidden, f"{at}.mlp.w12").chunk(2, dim=-1)
            hidden = linear(silu(gate) * value, f"{at}.mlp.w3")
        else:
            hidden = linear(torch.nn.functional.gelu(linear(hidden, f"{at}.mlp.fc1")), f"{at}.mlp.fc2")
        x = x + hidden * state[f"{at}.ls2.gamma"]
        blocks.append(x)
        branches.append(branch)
    cut = [[torch.cat([t[:, :1], t[:, prefix:]], dim=1) for t in side] for side in (blocks, branches)]
    return cut[0], cut[1]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("card", [BASE, REGISTERS, GIANT, GIANT_REGISTERS], ids=lambda card: card.name)
def test_a_file_of_meta_gives_the_tokens_of_the_equations(card: BackboneCard, tmp_path: Path) -> None:
    registers = card.name.endswith("-reg")
    state = release(registers=registers, swiglu="vit-g" in card.name)
    torch.save(state, tmp_path / "w.pth")
    batch = images(2, 224)
    blocks, branches = by_hand(state, batch, registers=registers)
    for tap, expected in (("block", blocks), ("attention", branches)):
        read = sequences(load(card, tmp_path / "w.pth", tap=tap).tokens(batch))
        torch.testing.assert_close(read, expected, atol=2e-4, rtol=1e-4)
    assert not torch.allclose(blocks[0], blocks[1], atol=0.1)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("card", [BASE, REGISTERS, GIANT, GIANT_REGISTERS], ids=lambda card: card.name)
def test_transformers_reads_the_same_weights_alike(card: BackboneCard, tmp_path: Path) -> None:
    registers = card.name.endswith("-reg")
    state = release(registers=registers, swiglu="vit-g" in card.name)
    torch.save(state, tmp_path / "w.pth")
    resized = state | {"pos_embed": at_16(state["pos_embed"], registers=registers)}
    for size, weights, preproc in ((224, resized, "paper"), (518, state, "native")):
        batch = images(1, size)
        read = sequences(load(card, tmp_path / "w.pth", preproc=preproc).tokens(batch))
        torch.testing.assert_close(
            read, by_transformers(in_transformers(weights, size, tmp_path), batch), atol=2e-4, rtol=1e-4
        )


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("card", [BASE, REGISTERS, GIANT, GIANT_REGISTERS], ids=lambda card: card.name)
@pytest.mark.parametrize("preproc", ["paper", "native"])
def test_against_timms_own_loading(card: BackboneCard, preproc: str, tmp_path: Path) -> None:
    """Equal, but for positions at 224 px without registers: there timm antialiases, and the authors do not."""
    state = release(registers=card.name.endswith("-reg"), swiglu="vit-g" in card.name)
    path, size = tmp_path / "w.pth", model.SIZES[preproc]
    torch.save(state, path)
    architecture = card.loader.keywords["architecture"]  # type: ignore[attr-defined]
    theirs = timm.create_model(architecture, pretrained=True, pretrained_cfg_overlay={"file": str(path)}, img_size=size)
    ours = load(card, path, preproc=preproc)
    batch = images(1, size)
    pairs = list(zip(sequences(ours.tokens(batch)), by_timm(theirs.eval(), batch), strict=True))
    own_positions = preproc == "paper" and not card.name.endswith("-reg")
    for one, other in pairs:
        if own_positions:
            assert (one - other).norm() > 0.01 * other.norm()
        else:
            assert torch.equal(one, other)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("card", [BASE, REGISTERS, GIANT_REGISTERS], ids=lambda card: card.name)
def test_a_file_of_timm_gives_the_tokens_of_the_file_of_meta(card: BackboneCard, tmp_path: Path) -> None:
    state = release(registers=card.name.endswith("-reg"), swiglu="vit-g" in card.name)
    torch.save(state, tmp_path / "meta.pth")
    architecture = card.loader.keywords["architecture"]  # type: ignore[attr-defined]
    overlay = {"file": str(tmp_path / "meta.pth")}
    theirs = timm.create_model(architecture, pretrained=True, pretrained_cfg_overlay=overlay)
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    batch = images(1, 224)
    one, other = (sequences(load(card, tmp_path / name).tokens(batch)) for name in ("meta.pth", "model.safetensors"))
    assert all(map(torch.equal, one, other))


@pytest.mark.usefixtures("small")
def test_registers_are_no_patches_and_not_the_global_token(tmp_path: Path) -> None:
    state = release(registers=True)
    reads = []
    for scale in (1, 0):
        # Attention that adds nothing: a register then reaches no other token.
        silent = {name: v * 0 if "attn.proj" in name else v for name, v in state.items()}
        torch.save(silent | {"register_tokens": scale * state["register_tokens"]}, tmp_path / "w.pth")
        backbone = load(REGISTERS, tmp_path / "w.pth")
        reads.append(sequences(backbone.tokens(images(1, 224))))
        assert reads[-1][0].shape == (1, 257, 96)
        assert torch.equal(backbone.module.reg_token, scale * state["register_tokens"])
    torch.testing.assert_close(*reads)


@pytest.mark.usefixtures("small")
def test_positions_of_the_grid_itself_are_taken_as_they_are(tmp_path: Path) -> None:
    state = release(grid=16)
    torch.save(state, tmp_path / "w.pth")
    assert torch.equal(load(BASE, tmp_path / "w.pth").module.pos_embed, state["pos_embed"])
    with pytest.raises(WeightsError, match=r"wrong shape: pos_embed is 1x257x96, not 1x1370x96"):
        load(BASE, tmp_path / "w.pth", preproc="native")


def test_attention_is_what_a_block_adds_first() -> None:
    backbone, batch = load(tap="attention"), images(2)
    for read, (start, after) in zip(sequences(backbone.tokens(batch)), attended(backbone.module, batch), strict=True):
        assert torch.equal(start + read, after)


def test_class_token_and_order_of_patches() -> None:
    batch = torch.zeros(2, 3, 64, 64)
    batch[1, :, 16:24, 40:48] = 3
    tokens = load().tokens(batch)
    change = (tokens.local_tokens[0][1] - tokens.local_tokens[0][0]).norm(dim=0)
    assert divmod(int(change.argmax()), 8) == (2, 5)
    # The class token has no picture of its own: it changes less than the patch that was marked.
    assert (tokens.global_tokens[0][1] - tokens.global_tokens[0][0]).norm() < 0.5 * change.max()


def test_every_layer_of_the_mini_adds_something() -> None:
    tokens = load().tokens(images(1)).local_tokens
    for one, other in pairwise(tokens):
        assert (other - one).norm() > 0.01 * one.norm()


def test_untrained_is_the_initialisation_of_timm() -> None:
    ours = load(BASE, init_seed=5).module.state_dict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        theirs = timm.create_model("vit_base_patch14_dinov2", img_size=224).state_dict()
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
    assert network.num_reg_tokens == (4 if card.name.endswith("-reg") or card.mini else 0)
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
    assert config.input_size == (3, model.SIZES["native"], model.SIZES["native"])
    with torch.device("meta"):
        network = load(card, preproc="native").module
    assert card.download_mb == pytest.approx(sum(p.numel() for p in network.parameters()) * 4e-6, abs=1)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("preproc", "size"), [("paper", 224), ("native", 518)])
def test_preproc(preproc: str, size: int) -> None:
    backbone = load(BASE, preproc=preproc)
    red = backbone.preprocess(Image.new("RGB", (90, 40), (255, 0, 0)))
    assert red.shape == (3, size, size)
    torch.testing.assert_close(red[:, 5, 60], torch.tensor([2.24891, -2.03571, -1.80444]))
    assert backbone.tokens(red[None]).local_tokens[0].shape == (1, 96, size // 14, size // 14)
    assert load(preproc=preproc).preprocess(Image.new("RGB", (9, 5))).shape == (3, 64, 64)


def test_is_a_backbone() -> None:
    assert isinstance(load(), Backbone)


def mini_release(**changes: Any) -> State:
    return release(**({"depth": 12, "patch": 8, "grid": 8, "registers": True} | changes))


def test_a_mini_of_ones_own(tmp_path: Path) -> None:
    state = mini_release()
    torch.save({"model": state, "epoch": 3}, tmp_path / "w.pth")
    ours = load(path=tmp_path / "w.pth").module.state_dict()
    assert torch.equal(ours.pop("reg_token"), state.pop("register_tokens"))
    assert torch.equal(ours.pop("cls_token"), state.pop("cls_token") + state["pos_embed"][:, :1])
    assert torch.equal(ours.pop("pos_embed"), state.pop("pos_embed")[:, 1:])
    assert state.keys() - ours.keys() == {"mask_token"}
    assert all(torch.equal(ours[name], state[name]) for name in ours)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("norm.bias"), r"missing: norm\.bias; give the file"),
        (lambda s: s.pop("pos_embed"), r"missing: reg_token, pos_embed|missing: pos_embed, reg_token"),
        (lambda s: s.update({"head.weight": torch.zeros(1)}), r"unexpected: head\.weight; give the file"),
        (lambda s: s.pop("register_tokens"), r"missing: reg_token; wrong shape: pos_embed is 1x65x96, not 1x64x96"),
        (lambda s: s["blocks.3.ls1.gamma"].fill_(torch.nan), r"hold NaN in blocks\.3\.ls1\.gamma"),
        (
            lambda s: s.update(mini_release(width=64)),
            r"wrong shape: cls_token is 1x1x64, not 1x1x96, .* and \d+ more",
        ),
        (lambda s: s.update(mini_release(depth=13)), r"unexpected: blocks\.12\..* and \d+ more"),
        (lambda s: s.update(mini_release(grid=7)), r"wrong shape: pos_embed is 1x49x96, not 1x64x96"),
        (
            lambda s: s.update(mini_release(patch=16)),
            r"wrong shape: patch_embed\.proj\.weight is 96x3x16x16, not 96x3x8x8",
        ),
    ],
    ids=["missing", "no positions", "extra", "no registers", "NaN", "narrow", "deep", "grid", "patch"],
)
def test_a_file_that_does_not_fit(change: Any, message: str, tmp_path: Path) -> None:
    state = mini_release()
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=rf"dinov2/mini.*w\.pth\).*{message}") as caught:
        load(path=tmp_path / "w.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("card", "message"),
    [(BASE, r"unexpected: reg_token; wrong shape: pos_embed is 1x1369x96"), (REGISTERS, r"missing: reg_token")],
    ids=["with into without", "without into with"],
)
def test_registers_have_to_be_asked_for_by_name(card: BackboneCard, message: str, tmp_path: Path) -> None:
    torch.save(release(registers=card is BASE), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=message):
        load(card, tmp_path / "w.pth")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("shape", [(), (1370,), (1, 1370), (1, 1370, 96, 1), (2, 1370, 96), (1, 1370, 64)], ids=str)
@pytest.mark.parametrize("card", [BASE, REGISTERS], ids=lambda card: card.name)
def test_positions_of_no_known_shape(card: BackboneCard, shape: tuple[int, ...], tmp_path: Path) -> None:
    torch.save(release(registers=card is REGISTERS) | {"pos_embed": torch.zeros(shape)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"wrong shape: pos_embed is .*, not 1x25[67]x96; give the file"):
        load(card, tmp_path / "w.pth")


@pytest.mark.usefixtures("small")
def test_nan_in_positions_is_noticed_after_resampling(tmp_path: Path) -> None:
    state = release()
    state["pos_embed"][0, 700, 3] = torch.nan
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"hold NaN in pos_embed"):
        load(BASE, tmp_path / "w.pth")


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_hostile_file_runs_nothing(tmp_path: Path) -> None:
    torch.save(mini_release() | {"cls_token": Hostile(tmp_path / "owned")}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth: not a tensors-only torch file"):
        load(path=tmp_path / "w.pth")
    assert not (tmp_path / "owned").exists()


def test_names_are_changed_as_timm_changes_them() -> None:
    """For the giant in full: names and shapes, no values."""
    with torch.device("meta"):
        state = {n: torch.empty(v.shape) for n, v in release(width=1536, depth=1, registers=True, swiglu=True).items()}
        state |= {re.sub(r"^blocks\.0", f"blocks.{i}", n): v for n, v in state.items() for i in range(40)}
        network = model.build("vit_giant_patch14_reg4_dinov2", 518)
    ours = model.renamed(state)
    theirs = timm.models.vision_transformer.checkpoint_filter_fn(dict(state), network)
    assert {n: v.shape for n, v in ours.items() if n != "mask_token"} == {n: v.shape for n, v in theirs.items()}
    assert theirs.keys() == network.state_dict().keys()
