"""The control backbones: yardsticks every network has to beat, shown unranked."""

from __future__ import annotations

from dataclasses import replace

from brainbench import BackboneCard, lazy

PIXELS = BackboneCard(
    name="pixels",
    loader=lazy("brainbench.builtin.backbones.pixels:load"),
    summary="grey levels, colour, Gabor energy at four scales and local contrast: no network at all",
    control=True,
    weights="none",
    layers=7,
    width=8,
    input_size=64,
    objective="none",
)

SHUFFLED = replace(
    PIXELS,
    name="shuffled",
    summary="the tokens of pixels under the wrong images: the score of an encoder that has nothing to read",
    shuffles="pixels",
)

RANDOM = BackboneCard(
    name="random",
    loader=lazy("brainbench.builtin.backbones.random:load"),
    summary="a vision transformer with seeded orthogonal weights, never trained",
    control=True,
    weights="untrained",
    layers=12,
    width=96,
    patch=8,
    input_size=64,
    parameters=1_351_872,
    gflops=0.19,
    objective="none",
)
