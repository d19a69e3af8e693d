"""Latent diffusion with captions: a VAE first, then the U-Net and its text encoder by predicted noise.

Networks and noise schedule are those of diffusers and transformers. One tenth of the captions is left out (classifier-free
guidance), so that the empty prompt, with which the network is read, is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from brainbench_sd.model import MINI, SCHEDULE, build, text_model
from diffusers import DDPMScheduler
from torch import Tensor, nn

from tools.train_minis.objective import Recipe, pixels
from tools.train_minis.stream import OBJECTS, PLACES, Scenes

# How much of the training goes to the VAE.
_VAE_SHARE = 0.3
_KL = 1e-4
_DROPPED = 0.1
_LENGTH = MINI["text_encoder"]["max_position_embeddings"]
_START, _END = MINI["text_encoder"]["bos_token_id"], MINI["text_encoder"]["eos_token_id"]
# A word a number, from 1: the vocabulary of the mini is small, and so is that of the captions.
_WORDS = {word: number for number, word in enumerate((*OBJECTS, *PLACES, "nothing"), start=1)}
_HALF = (0.5, 0.5, 0.5)


class Latent(nn.Module):
    """U-Net, VAE and text encoder."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        parts = build(MINI, seed)
        self.unet, self.vae, self.text_encoder = parts["unet"], parts["vae"], parts["text_encoder"]
        self.register_buffer("settled", torch.tensor(False))

    def settle(self, shown: Tensor) -> None:
        """Bring every channel of the latents to mean 0 and, times the scaling factor, variance 1; decoded, they stay the same."""
        means = self.vae.encode(shown).latent_dist.mode().transpose(0, 1).flatten(1)
        shift, wanted = means.mean(dim=1), 1 / MINI["vae"]["scaling_factor"]
        by, count = wanted / means.std(dim=1), len(means)
        narrow, widen = self.vae.quant_conv, self.vae.post_quant_conv
        narrow.bias[:count].sub_(shift).mul_(by)
        narrow.weight[:count].mul_(by[:, None, None, None])
        # The second half of what it gives is the logarithm of the variance, which grows with the square.
        narrow.bias[count:].add_(2 * by.log())
        widen.bias.add_((widen.weight[:, :, 0, 0] * shift).sum(dim=1))
        widen.weight.div_(by[None, :, None, None])
        self.settled.fill_(True)


class Denoising:
    """Stable Diffusion."""

    recipe = Recipe(images=89_600, batch=128, rate=1e-3, decay=0.01)

    def __init__(self, seed: int) -> None:
        self.module = Latent(seed)
        self._noises = DDPMScheduler(**{key: value for key, value in SCHEDULE.items() if not key.startswith("_")})

    def loss(self, scenes: Scenes, progress: float) -> Tensor:
        """At first the VAE's: absolute error plus a little Kullback-Leibler; then the squared error of the noise."""
        shown = pixels(scenes.images, _HALF, _HALF)
        if progress < _VAE_SHARE:
            posterior = self.module.vae.encode(shown).latent_dist
            return F.l1_loss(self.module.vae.decode(posterior.sample()).sample, shown) + _KL * posterior.kl().mean()
        with torch.no_grad():
            if not self.module.settled:
                self.module.settle(shown)
            latents = self._latents(shown, sample=True)
        words = words_of(scenes.captions)
        words[torch.rand(len(words)) < _DROPPED] = words_of([""])
        return self._error(latents, words)

    def after_step(self, progress: float) -> None:
        """Nothing."""

    def figures(self, seen: Scenes, held_out: Scenes) -> Mapping[str, float]:
        """The squared error of the noise over all time steps, with captions and without; 1 is that of guessing nothing."""
        shown = pixels(held_out.images, _HALF, _HALF)
        errors: dict[str, list[Tensor]] = {"captions": [], "no_captions": []}
        with torch.no_grad():
            for start in range(0, len(shown), 250):
                latents = self._latents(shown[start : start + 250], sample=False)
                said = words_of(held_out.captions[start : start + 250])
                for name, words in (("captions", said), ("no_captions", words_of([""] * len(latents)))):
                    torch.manual_seed(start)
                    errors[name].append(self._error(latents, words))
        means = {f"noise_error_{name}": float(torch.stack(parts).mean()) for name, parts in errors.items()}
        return means | {f"chance_{name}": 1.0 for name in means}

    def state(self) -> Mapping[str, Tensor]:
        """What is read of all three, by the names of their folders: of the VAE, the encoder."""
        vae, text = self.module.vae, text_model(self.module.text_encoder)
        encoder = nn.ModuleDict({"encoder": vae.encoder, "quant_conv": vae.quant_conv})
        state = nn.ModuleDict({"unet": self.module.unet, "vae": encoder, "text_encoder": text}).state_dict()
        return {name: tensor for name, tensor in state.items() if not name.endswith("position_ids")}

    def _latents(self, shown: Tensor, *, sample: bool) -> Tensor:
        posterior = self.module.vae.encode(shown).latent_dist
        return (posterior.sample() if sample else posterior.mode()) * MINI["vae"]["scaling_factor"]

    def _error(self, latents: Tensor, words: Tensor) -> Tensor:
        noise = torch.randn_like(latents)
        times = torch.randint(self._noises.config.num_train_timesteps, (len(latents),))
        prompt = self.module.text_encoder(input_ids=words).last_hidden_state
        said = self.module.unet(
            self._noises.add_noise(latents, noise, times), times, encoder_hidden_states=prompt
        ).sample
        return F.mse_loss(said, noise)


def words_of(captions: Sequence[str]) -> Tensor:
    """[n, length]: a start, the words that name objects and the place, and ends up to the full length."""
    rows = torch.full((len(captions), _LENGTH), _END)
    rows[:, 0] = _START
    for row, caption in zip(rows, captions, strict=True):
        known = [_WORDS[word] for word in caption.replace(",", "").split() if word in _WORDS][: _LENGTH - 2]
        row[1 : 1 + len(known)] = torch.tensor(known, dtype=torch.long)
    return rows


def make(seed: int) -> Denoising:
    """Of freshly initialised weights."""
    return Denoising(seed)
