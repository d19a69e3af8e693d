"""What holds for the cards of every family in plugins/; the conformance kit looks at one network of each."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from brainbench import BackboneCard
from brainbench.backbones.packaged_weights import is_shipped
from brainbench.registry import installed
from brainbench.testing import BackboneCase

ENTRIES = [e for e in installed().backbones if e.plugin.distribution.startswith("brainbench-plugin-")]
# The cards of a plugin that names its networks; those of a pattern are made for a name.
FAMILIES: dict[str, list[BackboneCard]] = {}
for entry in ENTRIES:
    if not entry.plugin.cards["backbones"][0].pattern:
        FAMILIES.setdefault(entry.plugin.distribution, []).append(entry.card)
MINIS = [entry.card for entry in ENTRIES if entry.card.mini]


@pytest.mark.parametrize("cards", FAMILIES.values(), ids=list(FAMILIES))
def test_a_plugin_brings_one_family_with_a_default_and_a_mini(cards: list[BackboneCard]) -> None:
    (family,) = {card.family for card in cards}
    assert {card.name.split("/")[0] for card in cards} == {family}
    (default,) = (card for card in cards if card.default)
    # One whose weights come by pip represents its family on simulated data too.
    minis = [] if default.source is not None and is_shipped(default.source) else [f"{family}/mini"]
    assert [card.name for card in cards if card.mini] == minis
    assert all(card.released for card in cards)


@pytest.mark.parametrize("cards", FAMILIES.values(), ids=list(FAMILIES))
def test_every_card_offers_the_taps_that_the_kit_reads(cards: list[BackboneCard]) -> None:
    # The kit reads those of one network.
    (taps,) = {card.taps for card in cards}
    for card in cards:
        assert [card.resolve_settings({"tap": tap})["tap"] for tap in card.taps] == list(taps)


@pytest.mark.slow
@pytest.mark.parametrize("card", MINIS, ids=lambda card: card.name)
def test_a_card_s_gflops_are_of_the_right_size(card: BackboneCard) -> None:
    # Versions of torch differ in what they count of an attention; multiply-adds counted once would be half.
    case = BackboneCase(card)
    case.backbone.tokens(case.batch[:1])  # the first pass may also find out what an output's axes mean
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        case.backbone.tokens(case.batch[:1])
    assert card.gflops is not None
    assert card.gflops / 1.25 < counted.get_total_flops() / 1e9 < card.gflops * 1.25
