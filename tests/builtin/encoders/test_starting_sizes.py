"""AdamW moves every parameter by about the learning rate a step: what starts at less is thrown away at the first one."""

from __future__ import annotations

import pytest
import torch

from brainbench.builtin.encoders.classtoken import ClassTokenModel
from brainbench.builtin.encoders.factortopy import FactorTopyModel
from brainbench.builtin.encoders.gnetvit import GNetViTModel
from brainbench.builtin.encoders.patchtoken import PatchTokenModel
from brainbench.fitting import FAST, ChannelAlign, EncoderModel

WIDE, VOXELS, PLACES = (1280,) * 12, 50, 64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def models() -> dict[str, EncoderModel]:
    coordinates = torch.randn(VOXELS, 3, generator=generator())
    return {
        "factortopy": FactorTopyModel(WIDE, (8, 8), VOXELS, coordinates, FAST, generator()),
        "gnetvit": GNetViTModel(WIDE, PLACES, VOXELS, FAST, generator()),
        "patchtoken": PatchTokenModel(WIDE, PLACES, VOXELS, FAST, generator()),
        "classtoken": ClassTokenModel(WIDE, VOXELS, FAST, generator()),
    }


@pytest.mark.parametrize("name", ["factortopy", "gnetvit", "patchtoken", "classtoken"])
def test_a_first_step_is_small_beside_every_parameter_of_a_wide_network(name: str) -> None:
    for parameter, tensor in models()[name].named_parameters():
        start = tensor.detach().square().mean().sqrt().item()
        # What starts at zero has no size yet.
        assert start == 0 or FAST.lr <= 0.2 * start or parameter.startswith("selectors."), parameter


@pytest.mark.parametrize("channels", [1, 32, 33, 1280])
@pytest.mark.parametrize("separate", [False, True])
def test_aligned_channels_of_any_width_start_with_a_spread_of_one(channels: int, separate: bool) -> None:
    align = ChannelAlign([channels], 200, generator(), separate=separate)
    aligned = align([torch.randn(40, 3, channels, generator=generator(1))])
    assert aligned.shape == (1, 40, 3, 200)
    assert aligned.std().item() == pytest.approx(1, rel=0.2)
