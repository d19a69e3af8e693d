from __future__ import annotations

from brainbench.testing import BackboneContract


class TestMini(BackboneContract):
    name = "imagenet/mini"
