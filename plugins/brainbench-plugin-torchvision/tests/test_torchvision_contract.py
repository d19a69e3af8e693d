from __future__ import annotations

from brainbench.testing import BackboneContract


class TestConvolutional(BackboneContract):
    name = "torchvision/mobilenet_v3_small"
