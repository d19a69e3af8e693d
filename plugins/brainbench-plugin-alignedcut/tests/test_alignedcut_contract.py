from __future__ import annotations

from brainbench.testing import EncoderContract


class TestAlignedCut(EncoderContract):
    name = "alignedcut"
