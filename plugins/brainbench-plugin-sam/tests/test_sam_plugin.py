from __future__ import annotations

import subprocess
import sys

import pytest
from brainbench_sam import plugin

from brainbench import BackboneCard, UsageError

CODE = """
import sys
import brainbench_sam.plugin
heavy = {"torch", "torchvision", "segment_anything", "timm", "numpy", "PIL"} & set(sys.modules)
assert not heavy, heavy
"""


def test_the_hook_gives_the_cards() -> None:
    cards = plugin.register_backbones()
    assert all(isinstance(card, BackboneCard) and card.family == "sam" for card in cards)
    assert [card.name for card in cards if card.default] == ["sam/vit-b"]
    assert [card.name for card in cards if card.mini] == ["sam/mini"]
    assert len({card.name for card in cards}) == len(cards) == 4
    assert all(card.released for card in cards)


def test_every_card_offers_both_taps_and_libraries() -> None:
    for card in plugin.register_backbones():
        settings = card.resolve_settings({"tap": "attention", "library": "timm"})
        assert (settings["tap"], settings["library"]) == ("attention", "timm")
        assert card.resolve_settings({})["library"] == "segment-anything"
        with pytest.raises(UsageError, match=rf"^{card.name}\.library=hf: allowed are segment-anything, timm$"):
            card.resolve_settings({"library": "hf"})


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
