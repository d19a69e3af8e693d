from __future__ import annotations

from brainbench.testing import BackboneContract


class TestConvolutional(BackboneContract):
    name = "timm/resnet18"


class TestTransformer(BackboneContract):
    name = "timm/vit_tiny_patch16_224"
