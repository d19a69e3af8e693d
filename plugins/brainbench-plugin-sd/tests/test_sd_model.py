from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brainbench_sd import model
from brainbench_sd.plugin import CARDS, at_time
from diffusers import AutoencoderKL, DDIMInverseScheduler, DDIMScheduler, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextModel, CLIPTokenizer

from brainbench import Backbone, BackboneCard, JointBackbone, Tokens, Weights, WeightsError, square

pytestmark = pytest.mark.slow

NAMED = {card.name: card for card in CARDS}
MINI = NAMED["sd/mini"]
ALL = ("sd/t40-encoder", "sd/t40-decoder", "sd/t45-decoder", "sd/d6-timesteps")

# What the files of the release say, and ours has to agree with.
SCHEDULER_JSON = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}
UNET_JSON = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.6.0",
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False,
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}
VAE_JSON = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.6.0",
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 512,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
TEXT_JSON = {
    "architectures": ["CLIPTextModel"],
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "dropout": 0.0,
    "eos_token_id": 2,
    "hidden_act": "quick_gelu",
    "hidden_size": 768,
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 1,
    "projection_dim": 768,
    "torch_dtype": "float32",
    "transformers_version": "4.22.0.dev0",
    "vocab_size": 49408,
}
JSON = {"scheduler": SCHEDULER_JSON, "unet": UNET_JSON, "vae": VAE_JSON, "text_encoder": TEXT_JSON}


def load(card: BackboneCard = MINI, path: Path | None = None, **settings: Any) -> Any:
    weights = Weights("file", path) if path else Weights("untrained")
    return card.loader(weights=weights, settings=card.resolve_settings(settings))


def together(*names: str, **settings: Any) -> Any:
    card = NAMED["sd/t40-decoder"]
    assert card.joint is not None
    return card.joint(names=names, weights=Weights("untrained"), settings=card.resolve_settings(settings))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cards of the release, with the network of the mini."""
    monkeypatch.setattr(model, "FULL", model.MINI)


@pytest.fixture
def small_images(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, with the mini's images."""
    monkeypatch.setattr(model, "SIZE", model.MINI_SIZE)


def images(number: int, size: int = 64) -> Tensor:
    return torch.rand(number, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def all_equal(one: Tokens, other: Tokens) -> bool:
    return all(
        torch.equal(a, b)
        for kind in ("local_tokens", "global_tokens")
        for a, b in zip(getattr(one, kind), getattr(other, kind), strict=True)
    )


def calls(network: Any) -> list[int]:
    """The time steps the U-Net is asked about from now on."""
    seen: list[int] = []
    network.unet.register_forward_pre_hook(lambda _, inputs: seen.append(int(inputs[1])))
    return seen


# The U-Net written out: what goes into, through and out of every resnet and attention.


def resnet_by_hand(resnet: Any, x: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """(its second convolution, its output)."""
    h = resnet.conv1(functional.silu(resnet.norm1(x)))
    h = h + resnet.time_emb_proj(functional.silu(time))[:, :, None, None]
    h = resnet.conv2(functional.silu(resnet.norm2(h)))
    return h, (x if resnet.conv_shortcut is None else resnet.conv_shortcut(x)) + h


def unet_by_hand(unet: Any, x: Tensor, t: int, prompt: Tensor) -> tuple[Tensor, dict[str, dict[str, Tensor]]]:
    """(noise, layer -> tap -> output); the encoder's blocks are the skip tensors."""
    seen: dict[str, dict[str, Tensor]] = {}
    prompt = prompt.expand(len(x), -1, -1)
    time = unet.time_embedding(unet.time_proj(torch.full((len(x),), t)))

    def layer(name: str, block: Any, j: int, x: Tensor) -> Tensor:
        conv2, resnet = resnet_by_hand(block.resnets[j], x, time)
        attend = block.attentions[j] if hasattr(block, "attentions") else None
        out = attend(resnet, encoder_hidden_states=prompt, return_dict=False)[0] if attend else resnet
        seen[name] = {"conv2": conv2, "resnet": resnet, "block": out}
        return out

    number = count(1)
    x = unet.conv_in(x)
    skips = [x]
    for block in unet.down_blocks:
        for j in range(len(block.resnets)):
            x = layer(f"encoder{next(number)}", block, j, x)
            skips.append(x)
        for down in block.downsamplers or ():
            x = down(x)
            skips.append(x)
    x = unet.mid_block(x, time, encoder_hidden_states=prompt)
    number = count(1)
    for block in unet.up_blocks:
        for j in range(len(block.resnets)):
            x = layer(f"decoder{next(number)}", block, j, torch.cat([x, skips.pop()], dim=1))
        for up in block.upsamplers or ():
            x = up(x)
    assert not skips
    return unet.conv_out(functional.silu(unet.conv_norm_out(x))), seen


def prompt_by_hand(text: CLIPTextModel) -> Tensor:
    ids = [text.config.vocab_size - 2] + [text.config.vocab_size - 1] * (text.config.max_position_embeddings - 1)
    return text(input_ids=torch.tensor([ids])).last_hidden_state


@torch.no_grad()
def inverted_by_hand(
    unet: Any, vae: Any, text: Any, batch: Tensor, steps: int
) -> list[tuple[Tensor, dict[str, dict[str, Tensor]]]]:
    """(latents before, what the U-Net's layers gave) of each step."""
    scheduler = DDIMInverseScheduler.from_config(SCHEDULER_JSON)
    scheduler.set_timesteps(50)
    latents, prompt, walked = vae.encode(batch).latent_dist.mode() * vae.config.scaling_factor, prompt_by_hand(text), []
    for t in scheduler.timesteps[:steps]:
        noise, seen = unet_by_hand(unet, latents, int(t), prompt)
        walked.append((latents, seen))
        latents = scheduler.step(noise, t, latents).prev_sample
    return walked


@cache
def parts(seed: int = 0) -> tuple[Any, Any, Any]:
    """U-Net, VAE and text encoder of the mini's size, shared by the tests that only read them."""
    made = model.build(model.MINI, seed)
    return tuple(made[part].eval().requires_grad_(False) for part in ("unet", "vae", "text_encoder"))  # type: ignore[return-value]


@pytest.mark.parametrize("tap", ["block", "resnet", "conv2"])
@pytest.mark.usefixtures("small_images")
def test_tokens_equal_a_reading_by_hand(tap: str) -> None:
    batch, names = images(2), ("sd/t45-encoder", "sd/t45-decoder")
    walked = inverted_by_hand(*parts(), batch, 5)
    found = together(*names, tap=tap).tokens(batch)
    for name, side in zip(names, ("encoder", "decoder"), strict=True):
        expected = [walked[4][1][f"{side}{i + 1}"][tap] for i in range({"encoder": 8, "decoder": 12}[side])]
        assert all_equal(found[name], Tokens(tuple(expected), tuple(x.mean(dim=(2, 3)) for x in expected)))


def test_the_mini_is_the_decoder_at_t40() -> None:
    batch = images(2)
    seen = inverted_by_hand(*parts(), batch, 10)[9][1]
    expected = Tokens.from_local([seen[f"decoder{i + 1}"]["block"] for i in range(12)])
    assert all_equal(load().tokens(batch), expected)


@pytest.mark.usefixtures("small_images")
def test_time_steps_are_decoder_layer_6_noisiest_first() -> None:
    batch = images(1)
    walked = inverted_by_hand(*parts(), batch, 50)
    backbone = load(NAMED["sd/d6-timesteps"])
    assert backbone.layers == tuple(f"T{i}" for i in range(50))
    expected = [walked[49 - i][1]["decoder6"]["block"] for i in range(50)]
    assert all_equal(backbone.tokens(batch), Tokens.from_local(expected))


def test_taps_differ_where_they_should() -> None:
    batch = images(1)
    block, resnet, conv2 = (load(tap=tap).tokens(batch).local_tokens for tap in ("block", "resnet", "conv2"))
    assert [torch.equal(a, b) for a, b in zip(block, resnet, strict=True)] == [True] * 3 + [False] * 9
    assert not any(torch.equal(a, b) for a, b in zip(resnet, conv2, strict=True))


# Several cards in one inversion.


@pytest.mark.usefixtures("small")
def test_cards_read_together_as_alone() -> None:
    batch, joint = images(1), together(*ALL)
    found = joint.tokens(batch)
    assert isinstance(joint, JointBackbone)
    assert {name: len(layers) for name, layers in joint.layers.items()} == dict(zip(ALL, (8, 12, 12, 50), strict=True))
    for name in ALL[:3]:
        alone = load(NAMED.get(name) or at_time(name=name))
        assert alone.layers == joint.layers[name]
        assert all_equal(alone.tokens(batch), found[name]), name
    for time, name in ((40, "sd/t40-decoder"), (45, "sd/t45-decoder")):
        assert torch.equal(found["sd/d6-timesteps"].local_tokens[time], found[name].local_tokens[5])


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("sd/t49-encoder",), 1),
        (("sd/t40-decoder",), 10),
        (("sd/t40-encoder", "sd/t40-decoder"), 10),
        (("sd/t40-encoder", "sd/t40-decoder", "sd/t30-decoder"), 20),
        (ALL, 50),
    ],
)
def test_the_unet_runs_once_a_step_and_stops_at_the_last(names: tuple[str, ...], expected: int) -> None:
    joint = together(*names)
    times = calls(joint.module)
    joint.tokens(images(1))
    assert times == [1 + 20 * i for i in range(expected)]


@pytest.mark.usefixtures("small")
def test_no_hook_is_left_behind() -> None:
    joint = together("sd/t49-encoder", "sd/t49-decoder")
    joint.tokens(images(1))
    assert not any(module._forward_hooks for module in joint.module.modules())


# The inversion.


def forth_and_back(noise: Callable[[Tensor, int], Tensor], latents: Tensor, steps: int) -> float:
    """The largest error after inverting and then denoising with DDIM, relative to the largest value."""
    inverse, forward = model.inverse_schedule(steps), DDIMScheduler.from_config(SCHEDULER_JSON)
    forward.set_timesteps(steps)
    assert inverse.timesteps.tolist() == forward.timesteps.tolist()[::-1]
    x = latents
    with torch.no_grad():
        for t in inverse.timesteps.tolist():
            x = inverse.step(noise(x, t), t, x).prev_sample
        for t in forward.timesteps.tolist():
            x = forward.step(noise(x, t), t, x).prev_sample
    return float((x - latents).abs().max() / latents.abs().max())


def test_the_inversion_of_a_constant_noise_is_exact() -> None:
    generator = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(2, 4, 8, 8, generator=generator) * scale for scale in (3, 1))
    # 100 steps in float32, each off by a few of its 6e-8, on values that grow by 1 / sqrt(alpha) = 15 on the way back.
    assert forth_and_back(lambda x, t: noise, latents, 50) < 100 * 6e-8 * 15 / 5


def test_the_inversion_of_a_network_is_as_good_as_its_steps_are_small() -> None:
    network = model.Diffusion(**model.build(model.MINI, 0))
    latents = 5 * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    coarse, fine = (forth_and_back(network.noise, latents, steps) for steps in (15, 60))
    # Both ways are Euler's method, whose error goes with the size of a step: a fourth, give or take.
    assert fine < coarse / 2.5
    assert fine < 0.05


def test_each_step_is_the_formula_of_ddim() -> None:
    scheduler, generator = model.inverse_schedule(), torch.Generator().manual_seed(0)
    latents, noise = torch.randn(2, 1, 4, 8, 8, generator=generator).double() * 3
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alphas = (1 - betas).cumprod(0)
    for t in scheduler.timesteps.tolist():
        before, after = alphas[max(t - 20, 0)], alphas[t]
        clean = (latents - (1 - before).sqrt() * noise) / before.sqrt()
        expected = after.sqrt() * clean + (1 - after).sqrt() * noise
        torch.testing.assert_close(scheduler.step(noise, t, latents).prev_sample, expected, atol=2e-5, rtol=2e-5)


def test_the_empty_prompt_is_what_the_tokenizer_makes_of_nothing() -> None:
    _, _, text = parts()
    end = "<|endoftext|>"
    vocabulary = {"a</w>": 0, "<|startoftext|>": 62, end: 63}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[], unk_token=end, pad_token=end)
    ids = tokenizer("", padding="max_length", max_length=8, truncation=True, return_tensors="pt").input_ids
    assert torch.equal(model.empty_prompt(text), text(ids)[0])
    assert (model.TEXT["vocab_size"] - 2, model.TEXT["vocab_size"] - 1) == (49406, 49407)


def test_nothing_is_drawn() -> None:
    backbone, batch = load(), images(1)
    before = torch.get_rng_state()
    one = backbone.tokens(batch)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert all_equal(one, backbone.tokens(batch))


def test_under_autocast_latents_stay_in_float32() -> None:
    backbone, batch = load(), images(2)
    with torch.autocast("cpu", torch.bfloat16):
        latents = backbone.module.latents(batch)
        assert latents.dtype == backbone.module.noise(latents, 1).dtype == torch.float32
        half = backbone.tokens(batch)
    for one, other in zip(half.local_tokens, backbone.tokens(batch).local_tokens, strict=True):
        assert float((one - other).norm() / other.norm()) < 0.1


# The network.


def test_untrained_is_the_initialisation_of_the_libraries() -> None:
    module = load(init_seed=5).module
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        unet, vae = UNet2DConditionModel(**model.MINI["unet"]), AutoencoderKL(**model.MINI["vae"])
    ours = module.state_dict()
    for prefix, state in (
        ("unet", unet.state_dict()),
        ("encoder", vae.encoder.state_dict()),
        ("quant_conv", vae.quant_conv.state_dict()),
    ):
        assert all(torch.equal(ours.pop(f"{prefix}.{name}"), value) for name, value in state.items())
    assert list(ours) == ["prompt"]


def test_the_seed_draws_the_weights_and_nothing_else() -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[index]
    one, same, other = load(init_seed=1), load(init_seed=1), load(init_seed=2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # type: ignore[index]
    batch = images(1)
    last = [backbone.tokens(batch).local_tokens[-1] for backbone in (one, same, other)]
    assert torch.equal(last[0], last[1])
    assert not torch.allclose(last[0], last[2], atol=0.1)


@pytest.fixture(scope="module")
def full() -> model.Diffusion:
    """Stable Diffusion 1.5 in its true size, without memory for its weights."""
    with torch.device("meta"):
        return model.Diffusion(**model.build(model.FULL, 0))


def test_the_true_network_has_the_shapes_of_table_12(full: model.Diffusion) -> None:
    names = ("sd/t49-encoder", "sd/t49-decoder")
    expected = {
        "sd/t49-encoder": [(320, 64)] * 2 + [(640, 32)] * 2 + [(1280, 16)] * 2 + [(1280, 8)] * 2,
        "sd/t49-decoder": [(1280, 8)] * 3 + [(1280, 16)] * 3 + [(640, 32)] * 3 + [(320, 64)] * 3,
    }
    for tap in ("block", "resnet", "conv2"):
        joint = model.Inversion(full, {name: model.reading(name) for name in names}, tap, lambda image: images(1)[0])
        with FlopCounterMode(display=False) as counted:
            found = joint.tokens(torch.empty(1, 3, 512, 512, device="meta"))
        # Versions of torch differ in what they count of an attention.
        assert counted.get_total_flops() / 1e9 == pytest.approx(at_time(name=names[0]).gflops, rel=0.15)
        for name in names:
            local, glob = found[name].local_tokens, found[name].global_tokens
            assert [tuple(x.shape) for x in local] == [(1, c, side, side) for c, side in expected[name]]
            assert [tuple(x.shape) for x in glob] == [(1, c) for c, _ in expected[name]]


def test_the_places_have_the_names_of_the_release(full: model.Diffusion) -> None:
    names = {module: name for name, module in full.unet.named_modules()}
    found = {place: names[module] for place, module in model.places(full.unet, "block").items()}
    assert len(found) == 20
    assert [found[f"encoder{i}"] for i in (1, 2, 3, 6, 7, 8)] == [
        *("down_blocks.0.attentions.0", "down_blocks.0.attentions.1", "down_blocks.1.attentions.0"),
        *("down_blocks.2.attentions.1", "down_blocks.3.resnets.0", "down_blocks.3.resnets.1"),
    ]
    assert [found[f"decoder{i}"] for i in (1, 3, 4, 6, 7, 12)] == [
        *("up_blocks.0.resnets.0", "up_blocks.0.resnets.2", "up_blocks.1.attentions.0"),
        *("up_blocks.1.attentions.2", "up_blocks.2.attentions.0", "up_blocks.3.attentions.2"),
    ]


def test_the_cards_tell_the_truth(full: model.Diffusion) -> None:
    assert sum(p.numel() for p in full.unet.parameters()) == 859_520_964
    for card in CARDS:
        if card.pattern:
            continue
        layers = model.reading(card.name)
        assert len(layers) == card.layers
        if not card.mini:
            assert sum(p.numel() for p in full.parameters()) == card.parameters
            assert max(full.unet.config.block_out_channels) == card.width
            assert card.gflops == 803 * (1 + max(step for step, _ in layers.values())) + 1117


def test_the_card_of_the_mini_tells_the_truth() -> None:
    backbone = load()
    network = backbone.module
    tokens = backbone.tokens(images(1))
    assert isinstance(backbone, Backbone)
    assert len(backbone.layers) == len(tokens.local_tokens) == MINI.layers
    assert max(x.shape[1] for x in tokens.local_tokens) == MINI.width
    assert tokens.local_tokens[-1].shape[2:] == (8, 8)
    assert backbone.preprocess(Image.new("RGB", (9, 5))).shape == (3, MINI.input_size, MINI.input_size)
    assert sum(p.numel() for p in network.parameters()) == MINI.parameters
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


# The picture.


@pytest.mark.usefixtures("small")
def test_preproc() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 500, 3), dtype=np.uint8))
    paper, native = (together(ALL[0], preproc=kind).preprocess(picture) for kind in ("paper", "native"))
    assert torch.equal(native, square(picture, 512, (0.5,) * 3, (0.5,) * 3))
    assert torch.equal(paper, square(picture, 224, (0.5,) * 3, (0.5,) * 3))
    # The network is given 512 px either way.
    backbone, shown = together(ALL[0], preproc="paper"), []
    backbone._walk = shown.append
    with pytest.raises(TypeError):  # nothing was read
        backbone.tokens(paper[None])
    enlarged = functional.interpolate(paper[None], scale_factor=512 / 224, mode="bilinear")
    torch.testing.assert_close(shown[0], enlarged, atol=1e-5, rtol=0)
    for kind in ("paper", "native"):
        red = load(preproc=kind).preprocess(Image.new("RGB", (90, 40), (255, 0, 0)))
        assert red.shape == (3, 64, 64)
        assert red.amin(dim=(1, 2)).tolist() == red.amax(dim=(1, 2)).tolist() == [1, -1, -1]


# Folders of weights.

OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def old_name(key: str) -> str:
    for new, old in OLD.items():
        if "mid_block.attentions.0." in key:
            key = key.replace(f".{new}.", f".{old}.")
    return key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network of the mini's size, seed 7, as the release is laid out: old names in the VAE, position ids in the text."""
    unet, vae, text = parts(7)
    states = {
        "unet/diffusion_pytorch_model": unet.state_dict(),
        "vae/diffusion_pytorch_model": {old_name(key): value for key, value in vae.state_dict().items()},
        "text_encoder/model": {
            f"text_model.{key.removeprefix('text_model.')}": value for key, value in text.state_dict().items()
        }
        | {"text_model.embeddings.position_ids": torch.arange(8)[None]},
    }
    assert "encoder.mid_block.attentions.0.proj_attn.weight" in states["vae/diffusion_pytorch_model"]
    for part, said in JSON.items():
        (tmp_path / part).mkdir()
        file = "scheduler_config.json" if part == "scheduler" else "config.json"
        (tmp_path / part / file).write_text(json.dumps(said | model.MINI[part]))
    for name, state in states.items():
        save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / f"{name}.safetensors")
    return tmp_path


def test_a_folder_in_the_layout_of_the_release(folder: Path) -> None:
    batch, backbone = images(2), load(path=folder)
    seen = inverted_by_hand(*parts(7), batch, 10)[9][1]
    found = backbone.tokens(batch)
    assert all_equal(found, Tokens.from_local([seen[f"decoder{i + 1}"]["block"] for i in range(12)]))
    assert not torch.allclose(found.local_tokens[-1], load().tokens(batch).local_tokens[-1], atol=0.1)


def test_diffusers_reads_the_folder_as_we_do(folder: Path) -> None:
    batch = images(2)
    arguments: Any = {"local_files_only": True, "use_safetensors": True, "low_cpu_mem_usage": False}
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", **arguments)
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", **arguments)
    text = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", local_files_only=True)
    seen = inverted_by_hand(unet, vae, text, batch, 10)[9][1]
    expected = Tokens.from_local([seen[f"decoder{i + 1}"]["block"] for i in range(12)])
    assert all_equal(load(path=folder).tokens(batch), expected)


@pytest.mark.parametrize("kind", ["new names", "bin"])
def test_other_layouts_of_the_same(folder: Path, kind: str) -> None:
    file = folder / "vae/diffusion_pytorch_model.safetensors"
    before = load(path=folder).tokens(images(1))
    if kind == "bin":
        torch.save(load_file(file), file.with_suffix(".bin"))
        file.unlink()
    else:
        save_file(parts(7)[1].state_dict(), file)
    assert all_equal(load(path=folder).tokens(images(1)), before)


@pytest.mark.parametrize("part", ["scheduler", "unet", "vae", "text_encoder"])
def test_ours_is_what_the_release_says(tmp_path: Path, part: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(JSON[part]))
    model.agree(tmp_path / "config.json", model.FULL[part], model.KINDS[part], "sd/t40-decoder")


@pytest.mark.parametrize(
    ("file", "key", "value", "message"),
    [
        # None of these shows in the shape of a weight.
        ("unet/config.json", "attention_head_dim", [5, 10, 20, 20], r"is \[5, 10, 20, 20\], expected 1;"),
        ("unet/config.json", "norm_num_groups", 4, r"is 4, expected 8;"),
        ("text_encoder/config.json", "hidden_act", "gelu", r"is gelu, expected quick_gelu;"),
        ("vae/config.json", "scaling_factor", 0.13025, r"is 0\.13025, expected 4\.0;"),
        ("scheduler/scheduler_config.json", "prediction_type", "v_prediction", r"is v_prediction, expected epsilon;"),
        ("text_encoder/config.json", "num_attention_heads", ..., r"is 8, expected 2;"),
    ],
)
def test_another_network_of_the_same_shapes(folder: Path, file: str, key: str, value: Any, message: str) -> None:
    said = json.loads((folder / file).read_text()) | {key: value}
    (folder / file).write_text(json.dumps({k: v for k, v in said.items() if v is not ...}))
    with pytest.raises(WeightsError, match=rf"^sd/mini: .*{file} says {key} {message} give the folder of a"):
        load(path=folder)


def changed(path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    save_file(change(load_file(path)), path)


UNET_FILE = "unet/diffusion_pytorch_model.safetensors"
Change = Callable[[dict[str, Tensor]], dict[str, Tensor]]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (UNET_FILE, lambda s: {k: v for k, v in s.items() if k != "conv_in.bias"}, r"missing: conv_in\.bias;"),
        (UNET_FILE, lambda s: s | {"extra.bias": torch.zeros(2)}, r"unexpected: extra\.bias;"),
        (UNET_FILE, lambda s: s | {"conv_in.bias": torch.zeros(320)}, r"wrong shape: conv_in\.bias is 320, not 16;"),
        (UNET_FILE, lambda s: s | {"conv_in.bias": s["conv_in.bias"] * torch.nan}, r"hold NaN in conv_in\.bias;"),
        (
            "vae/diffusion_pytorch_model.safetensors",
            lambda s: s | {"loss.logvar": torch.zeros(1)},
            r"unexpected: loss\.logvar;",
        ),
        (
            "text_encoder/model.safetensors",
            lambda s: {k: v for k, v in s.items() if "final_layer_norm.bias" not in k},
            r"missing: final_layer_norm\.bias;",
        ),
    ],
)
def test_weights_that_do_not_fit(folder: Path, file: str, change: Change, message: str) -> None:
    changed(folder / file, change)
    with pytest.raises(WeightsError, match=rf"sd/mini \(.*{file}\).*{message}") as caught:
        load(path=folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (UNET_FILE, r"has no unet/diffusion_pytorch_model\.safetensors or diffusion_pytorch_model\.bin; give a folder"),
        ("text_encoder/config.json", r"has no text_encoder/config\.json; give a folder as diffusers saves it, with"),
    ],
)
def test_a_folder_that_lacks_something(folder: Path, missing: str, message: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(WeightsError, match=rf"^sd/mini: {folder} {message}"):
        load(path=folder)


@pytest.mark.usefixtures("small")
def test_a_file_instead_of_a_folder(folder: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"model\.safetensors has no scheduler/scheduler_config\.json; give a folder"
    ):
        load(NAMED["sd/t40-decoder"], path=folder / UNET_FILE)


def test_the_mini_in_one_file(tmp_path: Path) -> None:
    names, path = ("unet", "vae", "text_encoder"), tmp_path / "mini.safetensors"
    whole = nn.ModuleDict(dict(zip(names, parts(7), strict=True)))
    save_file({name.replace(".text_model.", "."): tensor for name, tensor in whole.state_dict().items()}, path)
    read, drawn = (load(**given).tokens(images(2)) for given in ({"path": path}, {"init_seed": 7}))
    for one, other in zip(read.local_tokens, drawn.local_tokens, strict=True):
        assert torch.equal(one, other)


def test_a_part_for_the_whole_mini(folder: Path) -> None:
    with pytest.raises(WeightsError, match=r"sd/mini \(.*model\.safetensors\); missing: .* unexpected: ") as caught:
        load(path=folder / UNET_FILE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["half a down", "[1, 2]", "\N{BYTE ORDER MARK}{}"])
def test_a_damaged_configuration(folder: Path, text: str) -> None:
    (folder / "unet/config.json").write_text(text)
    with pytest.raises(
        WeightsError, match=r"unet/config\.json is no configuration \(.*\); download it again"
    ) as caught:
        load(path=folder)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("small")
def test_cards_read_together_are_named_together(folder: Path) -> None:
    (folder / UNET_FILE).unlink()
    card = NAMED["sd/t40-decoder"]
    assert card.joint is not None
    with pytest.raises(WeightsError, match=r"^sd/t40-encoder and sd/t40-decoder: .* has no unet/"):
        card.joint(names=ALL[:2], weights=Weights("release", folder), settings=card.resolve_settings({}))


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.fixture(params=["safetensors", "bin"])
def hostile(request: pytest.FixtureRequest, folder: Path) -> Iterator[Path]:
    """A pickle that would run something, under either name."""
    (folder / UNET_FILE).unlink()
    torch.save({"conv_in.bias": Hostile(folder / "owned")}, (folder / UNET_FILE).with_suffix(f".{request.param}"))
    yield folder
    assert not (folder / "owned").exists()


def test_a_hostile_file_runs_nothing(hostile: Path) -> None:
    with pytest.raises(WeightsError, match=r"diffusion_pytorch_model\.\w+: not a tensors-only torch file"):
        load(path=hostile)
