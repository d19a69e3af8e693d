"""Supervised: name the place, and every object that can be seen."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from brainbench_imagenet.model import build
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from brainbench import seeded
from tools.train_minis.objective import Recipe, pixels
from tools.train_minis.stream import OBJECTS, PLACES, Scenes


class Supervised:
    """torchvision's ViT with one head for places and objects."""

    recipe = Recipe(images=128_000)

    def __init__(self, seed: int) -> None:
        with seeded(seed):
            self.module: nn.Module = build("mini")
        with seeded(seed):
            self.module.heads = nn.Linear(96, len(PLACES) + len(OBJECTS))

    def loss(self, scenes: Scenes, progress: float) -> Tensor:
        """Cross-entropy over places plus binary cross-entropy over objects; images are flipped at random."""
        shown = pixels(scenes.images)
        shown = torch.where(torch.rand(len(shown), 1, 1, 1) < 0.5, shown.flip(3), shown)
        place, objects = self._said(shown)
        named = F.binary_cross_entropy_with_logits(objects, torch.from_numpy(scenes.objects).float())
        return F.cross_entropy(place, torch.from_numpy(scenes.places)) + named

    def after_step(self, progress: float) -> None:
        """Nothing."""

    def figures(self, seen: Scenes, held_out: Scenes) -> Mapping[str, float]:
        """Accuracy of places; of objects, how often one that is there is thought likelier than where it is not (area under ROC)."""
        with torch.no_grad():
            place, objects = self._said(pixels(held_out.images))
        shown = held_out.objects.any(axis=0) & ~held_out.objects.all(axis=0)
        area = roc_auc_score(held_out.objects[:, shown], objects.numpy()[:, shown], average="macro")
        right = (place.argmax(dim=1) == torch.from_numpy(held_out.places)).float().mean()
        return {
            "place_accuracy": float(right),
            "chance_place_accuracy": 1 / len(PLACES),
            "object_area_under_roc": float(area),
            "chance_object_area_under_roc": 0.5,
        }

    def state(self) -> Mapping[str, Tensor]:
        """All but the head."""
        return {name: tensor for name, tensor in self.module.state_dict().items() if not name.startswith("heads")}

    def _said(self, shown: Tensor) -> tuple[Tensor, Tensor]:
        said = self.module(shown)
        return said[:, : len(PLACES)], said[:, len(PLACES) :]


def make(seed: int) -> Supervised:
    """Of freshly initialised weights."""
    return Supervised(seed)
