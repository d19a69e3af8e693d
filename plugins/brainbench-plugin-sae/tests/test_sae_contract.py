from __future__ import annotations

from brainbench.testing import EncoderContract


class TestSae(EncoderContract):
    name = "sae"


class TestUntrained(EncoderContract):
    name = "sae/untrained"


class TestNeuron(EncoderContract):
    name = "sae/neuron"
