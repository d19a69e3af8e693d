from __future__ import annotations

import pytest
from brainbench_sam import plugin

from brainbench import UsageError


def test_every_card_offers_both_taps_and_libraries() -> None:
    for card in plugin.register_backbones():
        settings = card.resolve_settings({"tap": "attention", "library": "timm"})
        assert (settings["tap"], settings["library"]) == ("attention", "timm")
        assert card.resolve_settings({})["library"] == "segment-anything"
        with pytest.raises(UsageError, match=rf"^{card.name}\.library=hf: allowed are segment-anything, timm$"):
            card.resolve_settings({"library": "hf"})
