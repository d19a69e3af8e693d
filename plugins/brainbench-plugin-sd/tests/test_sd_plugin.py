from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from brainbench_sd import plugin

from brainbench import UsageError
from brainbench.plugins import Plugin
from brainbench.registry import Registry

CARDS = {card.name: card for card in plugin.register_backbones()}


@pytest.fixture
def registry() -> Registry:
    return Registry([Plugin("sd", "brainbench-plugin-sd", "1.0", {"backbones": tuple(CARDS.values())})])


def test_any_of_the_fifty_time_steps_has_a_card(registry: Registry) -> None:
    for time in range(50):
        for side, layers in (("encoder", 8), ("decoder", 12)):
            card = registry.backbones.get(f"sd/t{time:02}-{side}").card
            assert (card.layers, card.gflops) == (layers, (50 - time) * 803 + 1117)
            assert f"T{time} " in card.summary
            assert not card.pattern
    assert registry.backbones.get("sd/t40-decoder").card.default  # exact names win over patterns


@pytest.mark.parametrize("name", ["sd/t50-encoder", "sd/t5-decoder", "sd/t40-middle"])
def test_there_is_no_other(registry: Registry, name: str) -> None:
    with pytest.raises(UsageError, match=f"unknown backbone '{name}'"):
        registry.backbones.get(name)


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_a_pattern_is_no_backbone(registry: Registry, side: str) -> None:
    with pytest.raises(UsageError, match=f"sd/tTT-{side} is a pattern; replace tTT-{side} with a name"):
        registry.backbones.get(f"sd/tTT-{side}")


def test_cards_of_the_release_go_together_and_the_mini_alone(registry: Registry) -> None:
    names = ["sd/t40-decoder", "sd/t40-encoder", "sd/d6-timesteps", "sd/t25-decoder"]
    assert len({repr(registry.backbones.get(name).card.joint) for name in names}) == 1
    assert CARDS["sd/mini"].joint is None


def test_the_release_is_fetched_in_float32_and_once() -> None:
    repository = [
        *("unet/config.json", "vae/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json"),
        *(
            f"{part}/{file}{kind}.{suffix}"
            for part, file in (
                ("unet", "diffusion_pytorch_model"),
                ("vae", "diffusion_pytorch_model"),
                ("text_encoder", "model"),
            )
            for kind in ("", ".fp16", ".non_ema")
            for suffix in ("safetensors", "bin")
        ),
        *("v1-5-pruned.safetensors", "tokenizer/vocab.json", "safety_checker/model.safetensors"),
    ]
    card = CARDS["sd/t40-decoder"]
    taken = [name for name in repository if any(fnmatchcase(name, pattern) for pattern in card.files)]
    assert card.snapshot
    assert sorted(taken) == sorted(card.files)
    assert [Path(name).parent.name for name in taken if name.endswith(".safetensors")] == [
        "unet",
        "vae",
        "text_encoder",
    ]
