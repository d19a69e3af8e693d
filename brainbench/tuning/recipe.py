"""How a network is tuned: the paper's recipe (appendix D.4), and what the paper leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from brainbench.cards import Card, Setting, lazy

# The settings that ``--set tune.key=value`` sets. The loader is for nobody: a recipe is made of the settings alone.
TUNE = Card(
    name="tune",
    loader=lazy("brainbench.tuning.recipe:recipe"),
    summary="how brainbench tune trains",
    settings=(
        Setting("steps", int, 3000, "steps of AdamW", minimum=1),
        Setting("lr", float, 3e-5, "learning rate, the same in every step", minimum=0),
        Setting("weight_decay", float, 0.01, "AdamW's weight decay, as a share of the learning rate", minimum=0),
        Setting("batch", int, 4, "images in a step", minimum=1),
        Setting("hidden", int, 256, "width of the head's hidden layer", minimum=1),
        Setting("trains", str, "all", "all: network and head; head: the head alone, a control", ("all", "head")),
        Setting("test_images", int, 0, "most images to test on, drawn with the seed; 0: all that are left", minimum=0),
    ),
)


@dataclass(frozen=True)
class Recipe:
    """All that decides a tuning besides network, task and seed. layer: name of the layer at which the head is."""

    images_per_class: int
    layer: str
    steps: int
    lr: float
    weight_decay: float
    batch: int
    hidden: int
    trains: str
    test_images: int

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def recipe(settings: Mapping[str, Any], images_per_class: int, layer: str) -> Recipe:
    """Return the recipe with these settings of the card."""
    return Recipe(images_per_class=images_per_class, layer=layer, **settings)
