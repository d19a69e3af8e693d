"""Image-caption contrast: open_clip's own model, tokenizer and loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import open_clip
import torch
from brainbench_clip.model import MINI
from open_clip.loss import ClipLoss
from torch import Tensor, nn

from brainbench import CLIP_MEAN, CLIP_STD, seeded
from tools.train_minis.objective import Recipe, pixels
from tools.train_minis.stream import Scenes

# The longest caption of a scene is about 25 words.
_TEXT = open_clip.CLIPTextCfg(context_length=32, vocab_size=49408, width=96, heads=3, layers=3)
_POOL = 100


class Contrast:
    """open_clip's CLIP with the image tower of ``clip/mini`` and a small text tower."""

    recipe = Recipe(images=80_000, batch=128, rate=1e-3, decay=0.1)

    def __init__(self, seed: int) -> None:
        with seeded(seed):
            vision = open_clip.CLIPVisionCfg(**MINI["vision_cfg"])
            self.module: nn.Module = open_clip.CLIP(MINI["embed_dim"], vision, _TEXT, quick_gelu=False)
        self._loss = ClipLoss()

    def loss(self, scenes: Scenes, progress: float) -> Tensor:
        """The symmetric cross-entropy over the batch."""
        images, texts, scale = self.module(pixels(scenes.images, CLIP_MEAN, CLIP_STD), _words(scenes.captions))
        return self._loss(images, texts, scale)

    def after_step(self, progress: float) -> None:
        """Keep the temperature in the range of the original."""
        with torch.no_grad():
            self.module.logit_scale.clamp_(0, 4.6052)

    def figures(self, seen: Scenes, held_out: Scenes) -> Mapping[str, float]:
        """Recall at 1 of the caption of an image among those of 100 scenes with different captions."""
        first = list({caption: index for index, caption in reversed(list(enumerate(held_out.captions)))}.values())
        with torch.no_grad():
            shown = self.module.encode_image(pixels(held_out.images[first], CLIP_MEAN, CLIP_STD), normalize=True)
            said = self.module.encode_text(_words([held_out.captions[index] for index in first]), normalize=True)
        pools = [slice(start, start + _POOL) for start in range(0, len(first) - _POOL + 1, _POOL)]
        right = [((shown[p] @ said[p].T).argmax(dim=1) == torch.arange(_POOL)).float().mean() for p in pools]
        return {"recall_at_1_of_100": float(torch.stack(right).mean()), "chance_recall_at_1_of_100": 1 / _POOL}

    def state(self) -> Mapping[str, Tensor]:
        """The image tower, named as in open_clip's checkpoints."""
        return {name: tensor for name, tensor in self.module.state_dict().items() if name.startswith("visual.")}


def _words(captions: Sequence[str]) -> Tensor:
    return open_clip.tokenizer.SimpleTokenizer(context_length=_TEXT.context_length)(list(captions))


def make(seed: int) -> Contrast:
    """Of freshly initialised weights."""
    return Contrast(seed)
