"""Promptable masks: from a point or a box to an object's mask; prompt encoder and mask decoder are segment-anything's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from brainbench_sam.model import ARCHITECTURES
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import Tensor, nn
from torchvision.ops import sigmoid_focal_loss

from brainbench import seeded
from tools.train_minis.objective import Recipe, pixels
from tools.train_minis.stream import Scenes

_SIZE = ARCHITECTURES["mini"]["img_size"]
_GRID = _SIZE // ARCHITECTURES["mini"]["patch_size"]
_WIDTH = 64  # of the neck; the release has 256, but nothing of it is shipped
_SMALLEST = 20  # pixels of an object that is asked for
_AT_ONCE = 100  # scenes


class Promptable(nn.Module):
    """Image encoder, prompt encoder and mask decoder."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with seeded(seed):
            self.image_encoder = ImageEncoderViT(
                **ARCHITECTURES["mini"], out_chans=_WIDTH, norm_layer=partial(nn.LayerNorm, eps=1e-6)
            )
            self.prompt_encoder = PromptEncoder(_WIDTH, (_GRID, _GRID), (_SIZE, _SIZE), mask_in_chans=8)
            self.mask_decoder = MaskDecoder(
                transformer_dim=_WIDTH,
                transformer=TwoWayTransformer(depth=2, embedding_dim=_WIDTH, mlp_dim=256, num_heads=4),
                iou_head_depth=2,
                iou_head_hidden_dim=64,
            )

    def forward(self, shown: Tensor, owners: Tensor, points: Tensor | None, boxes: Tensor | None) -> Tensor:
        """Prompts of images [b, 3, H, W]: points [n, 1, 2] or boxes [n, 4] in pixels -> logits [n, 64, 64].

        owners: [n], the image of each prompt, ascending.
        """
        asked = None if points is None else (points, torch.ones(len(points), 1))
        sparse, dense = self.prompt_encoder(points=asked, boxes=boxes, masks=None)
        encoded, place = self.image_encoder(shown), self.prompt_encoder.get_dense_pe()
        # The decoder takes one image and its prompts at a time.
        masks = [
            self.mask_decoder(
                image_embeddings=encoded[image : image + 1],
                image_pe=place,
                sparse_prompt_embeddings=sparse[owners == image],
                dense_prompt_embeddings=dense[owners == image],
                multimask_output=False,
            )[0]
            for image in owners.unique().tolist()
        ]
        return F.interpolate(torch.cat(masks), size=(_SIZE, _SIZE), mode="bilinear", align_corners=False)[:, 0]


class Segmenting:
    """Segment Anything."""

    recipe = Recipe(images=64_000, batch=64, rate=1e-3)

    def __init__(self, seed: int) -> None:
        self.module: nn.Module = Promptable(seed)

    def loss(self, scenes: Scenes, progress: float) -> Tensor:
        """Focal and dice loss, 20 : 1, as in the paper; half of the batches are asked by points, half by boxes."""
        draw = np.random.default_rng(int(torch.randint(2**31, (1,))))
        owners, wanted, points, boxes = prompts(scenes, draw)
        by_box = bool(draw.integers(2))
        said = self.module(pixels(scenes.images), owners, None if by_box else points, boxes if by_box else None)
        chance = said.sigmoid()
        dice = 1 - (2 * (chance * wanted).sum((1, 2)) + 1) / (chance.sum((1, 2)) + wanted.sum((1, 2)) + 1)
        return 20 * sigmoid_focal_loss(said, wanted, reduction="mean") + dice.mean()

    def after_step(self, progress: float) -> None:
        """Nothing."""

    def figures(self, seen: Scenes, held_out: Scenes) -> Mapping[str, float]:
        """Mean intersection over union, by point and by box; chance: the whole image, and the box itself."""
        owners, wanted, points, boxes = prompts(held_out, np.random.default_rng(0))
        said: dict[str, list[Tensor]] = {"points": [], "boxes": []}
        with torch.no_grad():
            for start in range(0, len(held_out), _AT_ONCE):
                here = (owners >= start) & (owners < start + _AT_ONCE)
                shown = pixels(held_out.images[start : start + _AT_ONCE])
                said["points"].append(self.module(shown, owners[here] - start, points[here], None))
                said["boxes"].append(self.module(shown, owners[here] - start, None, boxes[here]))
        by_point, by_box = (torch.cat(parts) for parts in said.values())
        y, x = torch.meshgrid(torch.arange(_SIZE), torch.arange(_SIZE), indexing="ij")
        filled = torch.stack([(x >= a) & (x <= c) & (y >= b) & (y <= d) for a, b, c, d in boxes])
        return {
            "iou_by_point": _iou(by_point > 0, wanted),
            "chance_iou_by_point": _iou(torch.ones_like(wanted, dtype=torch.bool), wanted),
            "iou_by_box": _iou(by_box > 0, wanted),
            "chance_iou_by_box": _iou(filled, wanted),
        }

    def state(self) -> Mapping[str, Tensor]:
        """The image encoder, named as in the release, without its neck, which no layer that is read comes after."""
        state = self.module.image_encoder.state_dict()
        return {f"image_encoder.{name}": tensor for name, tensor in state.items() if not name.startswith("neck.")}


def prompts(scenes: Scenes, draw: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every object that is large enough: (its scene [n], masks [n, 64, 64] 0/1, a point inside [n, 1, 2], boxes [n, 4])."""
    owners, masks, points, boxes = [], [], [], []
    for row, mask in enumerate(scenes.masks):
        values, counts = np.unique(mask[mask > 0], return_counts=True)
        for value in values[counts >= _SMALLEST]:
            inside = mask == value
            y, x = np.nonzero(inside)
            at = int(draw.integers(len(y)))
            owners.append(row)
            masks.append(inside)
            points.append([[x[at] + 0.5, y[at] + 0.5]])
            boxes.append([x.min(), y.min(), x.max(), y.max()])
    return (
        torch.tensor(owners),
        torch.from_numpy(np.stack(masks)).float(),
        torch.tensor(np.array(points), dtype=torch.float32),
        torch.tensor(np.array(boxes), dtype=torch.float32),
    )


def _iou(said: Tensor, wanted: Tensor) -> float:
    there = wanted > 0
    return float(((said & there).sum((1, 2)) / (said | there).sum((1, 2)).clamp_min(1)).mean())


def make(seed: int) -> Segmenting:
    """Of freshly initialised weights."""
    return Segmenting(seed)
