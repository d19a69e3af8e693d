from __future__ import annotations

import pytest
from brainbench_alignedcut.datasets.cards import IMAGENET_SEGMENTATION, VOC2012

from brainbench import DatasetCard, UsageError


@pytest.mark.parametrize("card", [VOC2012, IMAGENET_SEGMENTATION], ids=lambda card: card.name)
def test_what_a_card_says(card: DatasetCard) -> None:
    assert card.needs_data
    assert not card.simulated
    assert card.citation
    assert card.licence


def test_settings_have_bounds() -> None:
    with pytest.raises(UsageError, match=r"voc2012\.split=test: allowed are val, train, trainval"):
        VOC2012.own_settings({"split": "test"})
    with pytest.raises(UsageError, match=r"imagenet-segmentation\.images=-1: must be at least 0"):
        IMAGENET_SEGMENTATION.own_settings({"images": -1})
    assert VOC2012.own_settings({}) == {"split": "val", "images": 0}
