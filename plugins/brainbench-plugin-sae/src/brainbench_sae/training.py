"""The autoencoder of one layer: trained on the tokens of the train images, or read from files, or found in the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch
from torch import Generator, Tensor

from brainbench import DataError, Features, FitContext
from brainbench.datasets import kept
from brainbench.training import StateStore, TrainingPlan, train
from brainbench_sae import saelens
from brainbench_sae.autoencoder import Autoencoder, drawn
from brainbench_sae.objective import Objective
from brainbench_sae.tokens import Rows

# Changes whenever the same tokens, recipe and seed give another autoencoder.
EDITION = 1
_LARGE = 1_000_003


@dataclass(frozen=True)
class Recipe:
    """How autoencoders are trained.

    kind: ``tied``, ``topk`` or ``batchtopk``; rate: units per channel; k: codes above 0 in a token; l1: weight of the penalty
    of ``tied``; lr: learning rate; batch: tokens in one step; steps: of the optimiser.
    """

    kind: str
    rate: int
    k: int
    l1: float
    lr: float
    batch: int
    steps: int


def untrained(channels: int, recipe: Recipe, seed: int, layer: int) -> Autoencoder:
    """Return the autoencoder that the training of a layer starts from."""
    generator = Generator().manual_seed(seed * _LARGE + layer)
    return drawn(channels, recipe.rate * channels, recipe.kind, min(recipe.k, recipe.rate * channels), generator)


def trained(
    read: Callable[[], Tensor], features: Features, layer: int, train_rows: Rows, recipe: Recipe, context: FitContext
) -> Autoencoder:
    """Return the autoencoder of a layer, trained on the tokens [n, C] that ``read`` returns, which are of ``train_rows``.

    With a cache in ``context``, it is trained once for all fits with the same features, train images, recipe and seed, and a
    training that was stopped resumes, to the same bytes.
    """
    if context.cache is None:
        return _train(read(), features, layer, recipe, context, None)
    facts = [
        EDITION,
        features.key,
        layer,
        train_rows.tolist(),
        asdict(recipe),
        context.seed,
        context.device.split(":")[0],
    ]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def make(draft: Path) -> None:
        store = StateStore(context.cache / f"{key[:32]}.states", key)  # type: ignore[operator]
        made = _train(read(), features, layer, recipe, context, store)
        saelens.write(made, draft, _facts(features, layer, recipe, context.seed))
        store.remove()

    return saelens.read(kept(context.cache / key[:32], make))


def _train(
    tokens: Tensor, features: Features, layer: int, recipe: Recipe, context: FitContext, store: StateStore | None
) -> Autoencoder:
    model = untrained(features.channels[layer], recipe, context.seed, layer).to(context.device)
    objective = Objective(model, recipe.kind, recipe.l1)

    def loss(step: int) -> Tensor:
        # Drawn on the CPU, so that the same tokens are taken on every device.
        return objective.loss(tokens[torch.randint(len(tokens), (recipe.batch,)).to(tokens.device)].float())

    def after(step: int) -> dict[str, float]:
        objective.after_step()
        return {}

    count, name = len(features.layers), features.layers[layer]
    train(
        loss,
        model,
        torch.optim.AdamW(model.parameters(), lr=recipe.lr),
        TrainingPlan(recipe.steps, context.seed),
        store=store,
        after_step=after,
        progress=lambda done, total, text: context.progress(
            layer * total + done, count * total, f"autoencoder of {name}, {text}"
        ),
        message=context.message,
    )
    return model.requires_grad_(False)


def loaded(folder: Path, features: Features, layer: int) -> Autoencoder:
    """Read the autoencoder of a layer from ``folder/<layer>``; a slash or colon in a layer's name is written %2F or %3A.

    Raises DataError if there is none, or if it is for tokens of another width.
    """
    name = features.layers[layer]
    place = folder / folder_name(name)
    if not place.is_dir():
        there = sorted(path.parent.name for path in folder.glob(f"*/{saelens.CONFIG}"))
        raise DataError(
            f"{folder}: no autoencoder of layer {name!r}, which would be in {place.name}/; there are: "
            f"{', '.join(there) or 'none'}"
        )
    made = saelens.read(place)
    if made.channels != features.channels[layer]:
        raise DataError(
            f"{place}: an autoencoder of {made.channels} channels, and layer {name!r} has {features.channels[layer]}; give one "
            "that was trained on this network"
        )
    return made.requires_grad_(False)


def folder_name(layer: str) -> str:
    """Return the name of the folder with a layer's autoencoder."""
    return quote(layer, safe=" ")


def _facts(features: Features, layer: int, recipe: Recipe, seed: int) -> dict[str, Any]:
    return {
        "hook_name": features.layers[layer],
        "features_key": features.key,
        "recipe": asdict(recipe),
        "seed": seed,
    }
