from __future__ import annotations

import subprocess
import sys

import pytest

from brainbench import EncoderCard, UsageError
from brainbench.builtin.encoders.cards import CLASSTOKEN, FACTORTOPY, NO_TOPOLOGY


@pytest.mark.parametrize("card", [FACTORTOPY, NO_TOPOLOGY, CLASSTOKEN])
def test_settings_change_the_recipe(card: EncoderCard) -> None:
    encoder = card.loader(settings=card.resolve_settings({"steps": "7", "dim": 3}))
    assert (encoder.recipe.steps, encoder.recipe.dim) == (7, 3)
    assert card.loader(settings=card.resolve_settings({"recipe": "paper"})).recipe.dim == 128


def test_misspelt_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'steps'"):
        FACTORTOPY.resolve_settings({"step": 3})
    with pytest.raises(UsageError, match="allowed are fast, paper"):
        FACTORTOPY.resolve_settings({"recipe": "quick"})


def test_variants_differ_in_topology_only() -> None:
    settings = FACTORTOPY.resolve_settings({})
    one, other = FACTORTOPY.loader(settings=settings), NO_TOPOLOGY.loader(settings=settings)
    assert (one.topology, other.topology) == (True, False)
    assert one.recipe == other.recipe


def test_cards_import_no_torch() -> None:
    code = (
        "import sys, brainbench.builtin.encoders.cards, brainbench.builtin.metrics.cards; "
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
