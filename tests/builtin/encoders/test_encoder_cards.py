from __future__ import annotations

import subprocess
import sys

import pytest

from brainbench import EncoderCard, UsageError
from brainbench.builtin.encoders.cards import CLASSTOKEN, FACTORTOPY, GNETVIT, PATCHTOKEN


@pytest.mark.parametrize("card", [*FACTORTOPY, CLASSTOKEN, PATCHTOKEN, GNETVIT], ids=lambda card: card.name)
def test_settings_change_the_recipe(card: EncoderCard) -> None:
    encoder = card.loader(settings=card.resolve_settings({"steps": "7", "dim": 3}))
    assert (encoder.recipe.steps, encoder.recipe.dim) == (7, 3)
    assert card.loader(settings=card.resolve_settings({"recipe": "paper"})).recipe.dim == 128


def test_misspelt_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'steps'"):
        FACTORTOPY[0].resolve_settings({"step": 3})
    with pytest.raises(UsageError, match="allowed are fast, paper"):
        FACTORTOPY[0].resolve_settings({"recipe": "quick"})


def test_the_variants_are_those_of_table_16() -> None:
    from brainbench.builtin.encoders.factortopy import VARIANTS

    assert [card.name for card in FACTORTOPY] == list(VARIANTS)
    loaded = [card.loader(settings=card.resolve_settings({"align": "separate"})) for card in FACTORTOPY]
    assert [encoder.variant for encoder in loaded] == list(VARIANTS.values())
    assert all(encoder.separate and encoder.recipe == loaded[0].recipe for encoder in loaded)


def test_cards_import_no_torch() -> None:
    code = (
        "import sys, brainbench.builtin.encoders.cards, brainbench.builtin.metrics.cards; "
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
