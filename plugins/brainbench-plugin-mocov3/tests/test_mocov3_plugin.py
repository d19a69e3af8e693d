from __future__ import annotations

import pytest
from brainbench_mocov3 import plugin

from brainbench import UsageError


def test_every_card_says_whose_training_it_is() -> None:
    for card in plugin.register_backbones():
        if not card.mini:
            facebook = card.name.endswith("-fb")
            assert ("Facebook's original training" if facebook else "OpenMMLab's own training") in card.summary
            assert card.licence == ("CC-BY-NC-4.0" if facebook else "Apache-2.0")
            assert str(card.source).startswith(plugin.FACEBOOK if facebook else plugin.OPENMMLAB)


def test_openmmlab_s_files_are_compared_with_the_digits_in_their_names() -> None:
    found = {card.name: card.sha256 for card in plugin.register_backbones() if plugin.OPENMMLAB in str(card.source)}
    assert found == {"mocov3/vit-b-16": "25213343", "mocov3/vit-s-16": "08bc52f7", "mocov3/vit-l-16": "9b88a442"}


def test_every_card_offers_both_taps_and_openmmlab_s_both_libraries() -> None:
    for card in plugin.register_backbones():
        assert card.resolve_settings({"tap": "attention"})["tap"] == "attention"
        if card.name.endswith("-fb"):
            with pytest.raises(UsageError, match=rf"^{card.name} has no setting 'library'"):
                card.resolve_settings({"library": "timm"})
        else:
            assert card.resolve_settings({})["library"] == "mmpretrain"
            assert card.resolve_settings({"library": "timm"})["library"] == "timm"
