"""Self-distillation with a masked-token term and centring, as in DINOv2; heads, masks and losses are lightly's."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from brainbench_dinov2.model import MINI, MINI_SIZE
from lightly.loss import DINOLoss, IBOTPatchLoss, KoLeoLoss
from lightly.models.modules import DINOv2ProjectionHead, MaskedVisionTransformerTIMM
from lightly.models.utils import random_block_mask
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from brainbench import seeded
from tools.train_minis.objective import Recipe, pixels
from tools.train_minis.probe import probe
from tools.train_minis.stream import Scenes
from tools.train_minis.views import blurred, colours, crops

_OUT, _MOMENTUM, _GRID = 1024, 0.992, MINI_SIZE // 8
_KOLEO = 0.1


class Student(nn.Module):
    """The ViT with a head that the class token and masked patches share."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with seeded(seed):
            # The network of ``dinov2/mini``, that can also be shown smaller views.
            vit = VisionTransformer(img_size=MINI_SIZE, num_classes=0, dynamic_img_size=True, **MINI)
            self.network = MaskedVisionTransformerTIMM(
                vit=vit, antialias=False, pos_embed_initialization="skip", weight_initialization="skip"
            )
            self.head = DINOv2ProjectionHead(96, 256, 64, _OUT)
        self.vit = vit

    def tokens(self, shown: Tensor, mask: Tensor | None = None) -> Tensor:
        """[n, 1 + registers + patches, 96]; mask: bool, which patches are hidden."""
        hidden: Tensor = self.network.encode(shown, mask=mask)
        return hidden


class Distillation(nn.Module):
    """Student, teacher and the losses, whose centres are kept with them."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.student = Student(seed)
        # Heads with weight normalisation cannot be copied as they are.
        self.teacher = Student(seed).requires_grad_(False)
        self.teacher.load_state_dict(self.student.state_dict())
        self.global_loss = DINOLoss(output_dim=_OUT, teacher_temp=0.07, warmup_teacher_temp_epochs=0)
        self.patch_loss = IBOTPatchLoss(output_dim=_OUT, teacher_temp=0.07)
        self.spread = KoLeoLoss()

    def forward(self, views: list[Tensor]) -> Tensor:
        """Two large views, of which the student sees one half's patches hidden, and small ones of fewer patches."""
        large, small = torch.cat(views[:2]), torch.cat(views[2:])
        prefix = self.student.vit.num_prefix_tokens
        patches = torch.zeros(len(large), _GRID, _GRID, dtype=torch.bool)
        patches[:] = random_block_mask(size=(len(large), _GRID, _GRID), batch_mask_ratio=0.5)
        hidden = torch.cat([torch.zeros(len(large), prefix, dtype=torch.bool), patches.flatten(1)], dim=1)
        with torch.no_grad():
            taught = self.teacher.tokens(large)
            of_class = self.teacher.head(taught[:, 0])
            of_patches = self.teacher.head(taught[hidden])
        learned = self.student.tokens(large, mask=hidden)
        said = list(self.student.head(learned[:, 0]).chunk(2))
        said += self.student.head(self.student.tokens(small)[:, 0]).chunk(len(views) - 2)
        loss: Tensor = self.global_loss(list(of_class.chunk(2)), said)
        loss = loss + self.patch_loss(of_patches, self.student.head(learned[hidden]), patches)
        return loss + _KOLEO * sum(self.spread(part) for part in learned[:, 0].chunk(2))


class SelfDistilled:
    """DINOv2."""

    recipe = Recipe(images=25_600, batch=64, rate=1e-3, warmup=0.1)

    def __init__(self, seed: int) -> None:
        self.module = Distillation(seed)

    def loss(self, scenes: Scenes, progress: float) -> Tensor:
        """Of two large and two small random views of every scene."""
        images = torch.from_numpy(scenes.images).permute(0, 3, 1, 2).float() / 255
        parts = [(MINI_SIZE, 0.4, 1.0)] * 2 + [(MINI_SIZE // 2, 0.1, 0.4)] * 2
        views = [blurred(colours(crops(images, size, low, high))) for size, low, high in parts]
        return self.module([pixels((view.permute(0, 2, 3, 1) * 255).round().byte().numpy()) for view in views])

    def after_step(self, progress: float) -> None:
        """Draw the teacher nearer, ever less so."""
        kept = 1 - (1 - _MOMENTUM) * (1 + math.cos(math.pi * progress)) / 2
        with torch.no_grad():
            for slow, fast in zip(self.module.teacher.parameters(), self.module.student.parameters(), strict=True):
                slow.lerp_(fast, 1 - kept)

    def figures(self, seen: Scenes, held_out: Scenes) -> Mapping[str, float]:
        """A linear probe of the teacher's class token."""

        def features(scenes: Scenes) -> Tensor:
            parts = range(0, len(scenes), 250)
            return torch.cat([self.module.teacher.tokens(pixels(scenes.images[i : i + 250]))[:, 0] for i in parts])

        return probe(features, seen, held_out)

    def state(self) -> Mapping[str, Tensor]:
        """The teacher, as the authors release theirs, named as timm names it."""
        return self.module.teacher.vit.state_dict()


def make(seed: int) -> SelfDistilled:
    """Of freshly initialised weights."""
    return SelfDistilled(seed)
