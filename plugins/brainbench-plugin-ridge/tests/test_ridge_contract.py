from __future__ import annotations

from brainbench.testing import EncoderContract


class TestRidge(EncoderContract):
    name = "ridge"


class TestBanded(EncoderContract):
    name = "ridge/banded"


class TestBestLayer(EncoderContract):
    name = "ridge/best-layer"
