"""Masked reconstruction: three quarters of the patches are hidden and painted again; masking and decoder are lightly's."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from brainbench_mae.model import MINI, build
from lightly.models import utils
from lightly.models.modules import MaskedVisionTransformerDecoderTIMM, MaskedVisionTransformerTIMM
from torch import Tensor, nn

from brainbench import seeded
from tools.train_minis.objective import Recipe, pixels
from tools.train_minis.stream import Scenes

MASKED = 0.75
_DECODER = {"embed_dim": 64, "depth": 4, "num_heads": 4}
_PATCH = MINI["patch_size"]
_PATCHES = (MINI["img_size"] // _PATCH) ** 2


class Reconstruction(nn.Module):
    """timm's ViT under lightly's mask, and lightly's decoder."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with seeded(seed):
            self.vit = build("mini")
        with seeded(seed):
            self.encoder = MaskedVisionTransformerTIMM(vit=self.vit)
            self.narrow = nn.Linear(MINI["embed_dim"], _DECODER["embed_dim"])
            self.decoder = MaskedVisionTransformerDecoderTIMM(num_patches=_PATCHES, **_DECODER)
            self.paint = nn.Linear(_DECODER["embed_dim"], 3 * _PATCH**2)

    def forward(self, shown: Tensor) -> Tensor:
        """Mean squared error of the hidden patches, each normalised by its own mean and deviation."""
        length = self.encoder.sequence_length
        keep, hidden = utils.random_token_mask((len(shown), length), mask_ratio=MASKED)
        tokens = self.narrow(self.encoder.encode(shown, idx_keep=keep))
        whole = utils.set_at_index(utils.repeat_token(self.decoder.mask_token, (len(shown), length)), keep, tokens)
        decoded = self.decoder.decode(self.decoder.add_pos_embed(whole))
        painted = self.paint(utils.get_at_index(decoded, hidden))
        # The class token stands first and is no patch.
        wanted = utils.get_at_index(utils.patchify(shown, _PATCH), hidden - 1)
        return F.mse_loss(painted, utils.normalize_mean_var(wanted, dim=-1))


class Masked:
    """The masked autoencoder."""

    recipe = Recipe(images=128_000, batch=128, rate=1.5e-3)

    def __init__(self, seed: int) -> None:
        self.module: nn.Module = Reconstruction(seed)

    def loss(self, scenes: Scenes, progress: float) -> Tensor:
        """The reconstruction error."""
        return self.module(pixels(scenes.images))

    def after_step(self, progress: float) -> None:
        """Nothing."""

    def figures(self, seen: Scenes, held_out: Scenes) -> Mapping[str, float]:
        """The reconstruction error; 1 is that of painting every patch in its own mean."""
        with torch.no_grad():
            error = torch.stack(
                [self.module(pixels(held_out.images[i : i + 250])) for i in range(0, len(held_out), 250)]
            )
        return {"reconstruction_error": float(error.mean()), "chance_reconstruction_error": 1.0}

    def state(self) -> Mapping[str, Tensor]:
        """The encoder alone, named as timm names it."""
        return self.module.vit.state_dict()


def make(seed: int) -> Masked:
    """Of freshly initialised weights."""
    return Masked(seed)
