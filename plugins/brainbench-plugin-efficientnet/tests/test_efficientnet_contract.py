from __future__ import annotations

from brainbench.testing import BackboneContract


class TestLite0(BackboneContract):
    name = "efficientnet/lite0"
