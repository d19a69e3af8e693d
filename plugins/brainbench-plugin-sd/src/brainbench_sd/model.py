"""Stable Diffusion 1.5, built by diffusers and transformers, read while DDIM inversion carries a picture to noise."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMInverseScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel

from brainbench import Backbone, JointBackbone, Tokens, Weights, WeightsError, load_state, load_strict, seeded, square

STEPS = 50
Facts = Mapping[str, Any]
# Where a layer is read: (inversion step, place in the U-Net).
Where = tuple[int, str]

# What makes a network Stable Diffusion 1.5. Whatever does not show in the shapes of the weights has to stand here: the
# configuration beside somebody's weights is compared with it.
SCHEDULE: Facts = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
}
UNET: Facts = {
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    # The number of heads, in spite of the name.
    "attention_head_dim": 8,
    "cross_attention_dim": 768,
    "act_fn": "silu",
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "center_input_sample": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "resnet_time_scale_shift": "default",
}
VAE: Facts = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "latent_channels": 4,
    "act_fn": "silu",
    "norm_num_groups": 32,
    "scaling_factor": 0.18215,
}
TEXT: Facts = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
SIZE, MINI_SIZE = 512, 64  # pixels of an image
FULL = {"scheduler": SCHEDULE, "unet": UNET, "vae": VAE, "text_encoder": TEXT}
MINI = {
    "scheduler": SCHEDULE,
    "unet": {
        **UNET,
        "block_out_channels": [16, 32, 48, 48],
        "attention_head_dim": 1,
        "cross_attention_dim": 32,
        "norm_num_groups": 8,
    },
    "vae": {
        **VAE,
        "block_out_channels": [8, 8, 16, 16],
        "layers_per_block": 1,
        "norm_num_groups": 4,
        # Brings latents to unit variance, as the true one does; untrained encoders give small ones.
        "scaling_factor": 4.0,
    },
    "text_encoder": {
        **TEXT,
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 8,
        "bos_token_id": 62,
        "eos_token_id": 63,
    },
}
# The files of a diffusers folder, safetensors before torch's own format.
FILES = {
    "unet": ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
    "vae": ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
    "text_encoder": ("model.safetensors", "pytorch_model.bin"),
}
# Of the three networks in one file.
NOT_READ = ("vae.decoder.", "vae.post_quant_conv.", "text_encoder.embeddings.position_ids")
KINDS: Mapping[str, Any] = {
    "scheduler": DDIMInverseScheduler,
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextConfig,
}
# The release names the VAE's attention as older releases of diffusers did.
OLD_NAMES = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def load(*, name: str, weights: Weights, settings: Facts) -> Backbone:
    """One card's layers, by an inversion of their own; see ``load_joint``."""
    return Alone(name, load_joint(names=(name,), weights=weights, settings=settings))


def load_joint(*, names: Sequence[str], weights: Weights, settings: Facts) -> JointBackbone:
    """The layers of several cards, read in one inversion; ``sd/mini`` goes with no other.

    Pictures are squashed to 224 px and enlarged to 512 (paper), or squashed to 512 px (native), with values in [-1, 1].
    Raises WeightsError if the folder of weights is not one of Stable Diffusion 1.5.
    """
    mini = "sd/mini" in names
    facts, size = (MINI, MINI_SIZE) if mini else (FULL, SIZE)
    parts = build(facts, settings["init_seed"])
    if weights.path is not None and mini and weights.path.is_file():
        fill_from_file(parts, weights.path, " and ".join(names))
    elif weights.path is not None:
        fill(parts, weights.path, facts, " and ".join(names))
    shown = 224 if settings["preproc"] == "paper" and not mini else size
    preprocess = partial(square, size=shown, mean=(0.5,) * 3, std=(0.5,) * 3)
    readings = {name: reading(name) for name in names}
    return Inversion(Diffusion(**parts), readings, settings["tap"], preprocess, size=size)


def build(facts: Mapping[str, Facts], seed: int) -> dict[str, Any]:
    """The U-Net, the VAE and the text encoder as their libraries initialise them; the global random state stays as it was."""
    with seeded(seed):
        return {
            "unet": KINDS["unet"](**facts["unet"]),
            "vae": KINDS["vae"](**facts["vae"]),
            "text_encoder": CLIPTextModel(KINDS["text_encoder"](**facts["text_encoder"])),
        }


def fill_from_file(parts: Mapping[str, Any], path: Path, name: str) -> None:
    """Load the weights that ``sd/mini`` ships, one file for all three networks; raises WeightsError unless they fit."""
    vae, text = parts["vae"], text_model(parts["text_encoder"])
    encoder = nn.ModuleDict({"encoder": vae.encoder, "quant_conv": vae.quant_conv})
    read = nn.ModuleDict({"unet": parts["unet"], "vae": encoder, "text_encoder": text})
    load_strict(read, load_state(path), drop=NOT_READ, what=f"{name} ({path})")


def fill(parts: Mapping[str, Any], folder: Path, facts: Mapping[str, Facts], name: str) -> None:
    """Load the weights in a folder of diffusers' layout; raises WeightsError unless everything in it is this very network."""
    for part, expected in facts.items():
        file = "scheduler_config.json" if part == "scheduler" else "config.json"
        agree(_there(folder, part, (file,), name), expected, KINDS[part], name)
    for part, module in parts.items():
        path = _there(folder, part, FILES[part], name)
        state = load_state(path)
        what = f"{name} ({path})"
        if part == "vae":
            load_strict(module, {_renamed(key): value for key, value in state.items()}, what=what)
        elif part == "text_encoder":
            stripped = {key.removeprefix("text_model."): value for key, value in state.items()}
            load_strict(text_model(module), stripped, drop=("embeddings.position_ids",), what=what)
        else:
            load_strict(module, state, what=what)


def text_model(encoder: Any) -> Any:
    """What the names in a file are relative to: transformers 5 has no prefix; older releases and all files have one."""
    return getattr(encoder, "text_model", encoder)


def agree(path: Path, expected: Facts, kind: Any, name: str) -> None:
    """Raise WeightsError unless a configuration says what is ``expected``; what it leaves out is the default of ``kind``."""
    try:
        found = json.loads(path.read_text())
        found = {key: found.get(key, inspect.signature(kind).parameters[key].default) for key in expected}
    except (ValueError, AttributeError) as error:
        raise WeightsError(f"{name}: {path} is no configuration ({error}); download it again") from None
    for key, value in expected.items():
        if _plain(found[key]) != value:
            raise WeightsError(
                f"{name}: {path} says {key} is {_plain(found[key])}, expected {value}; give the folder of a Stable Diffusion"
                " 1.5, or of one that was tuned from it"
            )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _there(folder: Path, part: str, files: Sequence[str], name: str) -> Path:
    for file in files:
        if (folder / part / file).is_file():
            return folder / part / file
    raise WeightsError(
        f"{name}: {folder} has no {part}/{' or '.join(files)}; give a folder as diffusers saves it, with"
        " scheduler/, text_encoder/, unet/ and vae/"
    )


def _renamed(key: str) -> str:
    for old, new in OLD_NAMES.items():
        key = key.replace(old, new)
    return key


class Diffusion(nn.Module):
    """What a pass needs: the encoder of the VAE, the U-Net, and the embedding of the empty prompt, computed once."""

    prompt: Tensor

    def __init__(self, *, unet: Any, vae: Any, text_encoder: Any) -> None:
        super().__init__()
        self.unet, self.encoder, self.quant_conv = unet, vae.encoder, vae.quant_conv
        self.scale = float(vae.config.scaling_factor)
        self.register_buffer("prompt", empty_prompt(text_encoder))
        self.eval().requires_grad_(False)

    def latents(self, batch: Tensor) -> Tensor:
        """[B, 3, H, W] in [-1, 1] -> [B, 4, H/8, W/8]: the mode of the VAE's posterior, scaled; nothing is drawn."""
        mean: Tensor = self.quant_conv(self.encoder(batch)).chunk(2, dim=1)[0]
        return mean.float() * self.scale

    def noise(self, latents: Tensor, time: int) -> Tensor:
        """The noise that the U-Net sees in [B, 4, h, w] at a time step of its training, without guidance."""
        prompt = self.prompt.expand(len(latents), -1, -1)
        # Under autocast it comes in bfloat16; latents stay in float32 through all steps.
        noise: Tensor = self.unet(latents, time, encoder_hidden_states=prompt).sample
        return noise.float()


def empty_prompt(text_encoder: Any) -> Tensor:
    """The embedding of "", [1, N, C]: CLIP's tokenizer makes of it a start (49406) and, up to the full length, ends (49407)."""
    config = text_encoder.config
    ids = torch.full((1, config.max_position_embeddings), config.vocab_size - 1)
    ids[:, 0] = config.vocab_size - 2
    with torch.no_grad():
        embedding: Tensor = text_encoder.eval()(input_ids=ids).last_hidden_state
    return embedding


def inverse_schedule(steps: int = STEPS) -> Any:
    """From the clean picture (t = 1) to noise (t = 981), as the release sets its own scheduler."""
    scheduler = KINDS["scheduler"](**SCHEDULE, clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    scheduler.set_timesteps(steps)
    return scheduler


def reading(name: str) -> dict[str, Where]:
    """The layers of a card, each with where it is read. The U-Net's call number i is the time step T = 49 - i."""
    what = "t40-decoder" if name == "sd/mini" else name.removeprefix("sd/")
    if what == "d6-timesteps":
        return {f"T{time}": (STEPS - 1 - time, "decoder6") for time in range(STEPS)}
    time, side = int(what[1:3]), what[4:]
    count = {"encoder": 8, "decoder": 12}[side]
    return {f"layer{i}": (STEPS - 1 - time, f"{side}{i}") for i in range(1, count + 1)}


def places(unet: Any, tap: str) -> dict[str, nn.Module]:
    """encoder1 ... encoder8, decoder1 ... decoder12 (table 12 of the paper) -> the module whose output is read.

    A layer is a resnet and, but for the lowest resolution, the attention after it. tap: ``block``, what comes out of the layer;
    ``resnet``, out of its resnet; ``conv2``, out of the resnet's last convolution, before the residual sum.
    """
    found: dict[str, nn.Module] = {}
    for side, blocks in (("encoder", unet.down_blocks), ("decoder", unet.up_blocks)):
        resnets = [resnet for block in blocks for resnet in block.resnets]
        ends = [end for block in blocks for end in getattr(block, "attentions", block.resnets)]
        for number, (resnet, end) in enumerate(zip(resnets, ends, strict=True), start=1):
            found[f"{side}{number}"] = {"block": end, "resnet": resnet, "conv2": resnet.conv2}[tap]
    return found


class Inversion:
    """Several cards' layers, read in one DDIM inversion that goes no further than the last of them: a JointBackbone."""

    layers: Mapping[str, Sequence[str]]
    module: nn.Module | None

    def __init__(
        self,
        module: Diffusion,
        readings: Mapping[str, Mapping[str, Where]],
        tap: str,
        preprocess: Callable[[Image.Image], Tensor],
        *,
        size: int | None = None,
    ) -> None:
        self.module = self._module = module
        self.layers = {name: tuple(layers) for name, layers in readings.items()}
        self._readings, self._preprocess, self._size = readings, preprocess, size
        self._wanted = {where for layers in readings.values() for where in layers.values()}
        every = places(module.unet, tap)
        self._places = {place: every[place] for _, place in sorted(self._wanted)}
        self._scheduler = inverse_schedule()

    def preprocess(self, image: Image.Image) -> Tensor:
        """One RGB image -> [3, H, W] in [-1, 1]."""
        return self._preprocess(image)

    def tokens(self, batch: Tensor) -> Mapping[str, Tokens]:
        """[B, 3, H, W], enlarged to the size that the network takes -> the tokens of each card; the global token is the average.

        It is enlarged here, on the device: the threads that prepare images pass on a fifth of the bytes.
        """
        if self._size is not None and batch.shape[-2:] != (self._size, self._size):
            batch = functional.interpolate(batch, (self._size, self._size), mode="bilinear", align_corners=False)
        found = self._walk(batch)
        return {
            name: Tokens.from_local([found[where] for where in layers.values()])
            for name, layers in self._readings.items()
        }

    def _walk(self, batch: Tensor) -> dict[Where, Tensor]:
        found: dict[Where, Tensor] = {}
        last = max(step for step, _ in self._wanted)
        with outputs(self._places) as seen:
            latents = self._module.latents(batch)
            for step, time in enumerate(self._scheduler.timesteps[: last + 1].tolist()):
                noise = self._module.noise(latents, time)
                found |= {(step, place): value for place, value in seen.items() if (step, place) in self._wanted}
                latents = self._scheduler.step(noise, time, latents).prev_sample
        return found


class Alone:
    """One card of an inversion, as a Backbone."""

    layers: Sequence[str]
    module: nn.Module | None

    def __init__(self, name: str, joint: JointBackbone) -> None:
        self._name, self._joint = name, joint
        self.module, self.layers = joint.module, joint.layers[name]

    def preprocess(self, image: Image.Image) -> Tensor:
        """As the inversion's."""
        return self._joint.preprocess(image)

    def tokens(self, batch: Tensor) -> Tokens:
        """The card's tokens."""
        return self._joint.tokens(batch)[self._name]


@contextmanager
def outputs(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Inside, the mapping holds what each module gave last: [B, C, H, W]."""
    seen: dict[str, Tensor] = {}

    def keep(_module: nn.Module, _inputs: Any, output: Any, *, name: str) -> None:
        seen[name] = output[0] if isinstance(output, tuple) else output

    with ExitStack() as hooks:
        for name, module in modules.items():
            hooks.callback(module.register_forward_hook(partial(keep, name=name)).remove)
        yield seen
