from __future__ import annotations

import subprocess
import sys

from brainbench_mae import plugin

from brainbench import BackboneCard

CODE = """
import sys
import brainbench_mae.plugin
heavy = {"torch", "timm", "numpy", "PIL", "huggingface_hub"} & set(sys.modules)
assert not heavy, heavy
"""


def test_the_hook_gives_the_cards() -> None:
    cards = plugin.register_backbones()
    assert all(isinstance(card, BackboneCard) and card.family == "mae" for card in cards)
    assert [card.name for card in cards if card.default] == ["mae/vit-b-16"]
    assert [card.name for card in cards if card.mini] == ["mae/mini"]
    assert all(card.released for card in cards)
    assert len({card.name for card in cards}) == len(cards) == 4


def test_every_card_offers_both_taps() -> None:
    for card in plugin.register_backbones():
        assert card.resolve_settings({"tap": "attention"})["tap"] == "attention"


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
