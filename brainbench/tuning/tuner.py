"""One tuning: a network, a task and a seed -> tuned weights and a record in the cache."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from brainbench.backbones.tuned_weights import FACTS, WEIGHTS, TunedNetwork, folder_of, publish
from brainbench.planning.picks import BackbonePick
from brainbench.plugins import blamed, library_version
from brainbench.protocols import JointBackbone
from brainbench.runner import load_backbone
from brainbench.training import StateStore, TrainingPlan, train
from brainbench.tuning.figures import accuracies, linear_cka, linear_probe, majority
from brainbench.tuning.network import ImageReader, TunedModule, mlp_head, read
from brainbench.tuning.recipe import Recipe
from brainbench.tuning.task import Draw, Task, draw
from brainbench.util.files import storage
from brainbench.util.hashing import digest, file_sha256
from brainbench.util.kept import is_kept, kept
from brainbench.util.progress import Reporter

# Raise when the same network, task, recipe and seed would give other weights or figures.
VERSION = 1
# Images that a look at the accuracy during the training takes, and on which layers are compared.
_LOOKED_AT, _COMPARED = 200, 500
_LOOKS = 6


@dataclass(frozen=True)
class Tuning:
    """One tuning, before it is done. number: of the head's layer, from 1; last: whether that is the last layer."""

    pick: BackbonePick
    task: Task
    recipe: Recipe
    number: int
    last: bool
    seed: int
    device: str

    @property
    def name(self) -> str:
        """The name of the tuned network, such as ``clip/mini@eurosat/layer-7/seed-1``."""
        layer = "" if self.last else f"/layer-{self.number}"
        return f"{self.pick.name}@{self.task.name}{layer}" + (f"/seed-{self.seed}" if self.seed else "")

    @property
    def key(self) -> str:
        """The content key: base weights, code and settings of the network; images and labels; recipe; seed."""
        task = {"dataset": self.task.data.name, "version": self.task.data.dataset.version}
        facts = {"backbone": self.pick.facts, "task": task, "recipe": self.recipe.facts(), "seed": self.seed}
        return digest(facts | {"tuning": VERSION, "torch": library_version("torch")})

    def run(self, cache: Path, report: Reporter) -> tuple[TunedNetwork, bool]:
        """Return the tuned network and whether it was there already.

        A training that was interrupted resumes, to the same bytes. Raises BlamedError, naming the plugin, for a network that
        cannot be tuned on these images, and DataError for a loss that is not finite.
        """
        folder = folder_of(self.key, cache)
        before = is_kept(folder)
        store = StateStore(folder.with_name(".states") / self.key, self.key)
        with storage(folder):
            kept(folder, lambda draft: self._make(draft, store, report))
            store.remove()
            publish(self.name, self.key, cache)
        return TunedNetwork(folder), before

    def _make(self, draft: Path, store: StateStore, report: Reporter) -> None:
        started = time.perf_counter()
        shares = draw(self.task.labels, self.recipe.images_per_class, self.seed, self.recipe.test_images)
        with blamed(self.pick.plugin, "load"):
            backbone = load_backbone(self.pick, [self.pick.name])
        with blamed(self.pick.plugin, "tune", f"{self.name}"):
            work = _Work(self, backbone, shares, report)
            before = work.frozen()
            log = work.trained(store)
            after = work.tuned()
        # Two layers of the same tokens at the same images: how much of a layer is as it was.
        cka = {
            layer: linear_cka(one, other)
            for layer, one, other in zip(work.layers, before["tokens"], after["tokens"], strict=True)
        }
        draft.mkdir()
        # Tensors that share memory, as tied weights do, are stored one by one.
        state = {
            name: value.detach().cpu().clone().contiguous() for name, value in work.module.network.state_dict().items()
        }
        save_file(state, draft / WEIGHTS)
        head = {name: value.detach().cpu().contiguous() for name, value in work.module.head.state_dict().items()}
        save_file(head, draft / "head.safetensors")
        figures = before["figures"] | after["figures"]
        facts = self._facts(shares) | {
            "figures": figures,
            "cka": {layer: value if np.isfinite(value) else None for layer, value in cka.items()},
            "log": log,
            "weights_sha256": file_sha256(draft / WEIGHTS),
            "wall_s": round(time.perf_counter() - started, 1),
        }
        (draft / FACTS).write_text(json.dumps(facts, indent=1) + "\n")

    def _facts(self, shares: Draw) -> dict[str, Any]:
        data, labels = self.task.data, self.task.labels
        versions = {one.distribution: one.version for one in (self.pick.plugin, data.plugin)}
        return {
            "name": self.name,
            "key": self.key,
            "backbone": self.pick.name,
            "base_weights": self.pick.label,
            "settings": dict(self.pick.settings),
            "changed": dict(self.pick.changed),
            "task": self.task.name,
            "dataset": data.name,
            "dataset_version": data.dataset.version,
            "simulated": data.simulated,
            "classes": list(labels.classes),
            "layer": self.recipe.layer,
            "layer_number": self.number,
            "last_layer": self.last,
            "recipe": self.recipe.facts(),
            "seed": self.seed,
            "train_images": len(shares.train),
            "test_images": len(shares.test),
            "notes": list(shares.notes),
            "device": self.device,
            "versions": versions | {name: library_version(name) for name in ("brainbench", "torch")},
        }


class _Work:
    """What the parts of one tuning share."""

    def __init__(self, tuning: Tuning, backbone: JointBackbone, shares: Draw, report: Reporter) -> None:
        self.tuning, self.report, self.shares = tuning, report, shares
        self.layers = tuple(backbone.layers[tuning.pick.name])
        self.labels = tuning.task.labels.values
        self._compared = shares.test[:: max(1, -(-len(shares.test) // _COMPARED))]
        self._images = ImageReader(tuning.task.stimuli, backbone, tuning.device)
        recipe, classes = tuning.recipe, len(tuning.task.labels.classes)
        if backbone.module is not None:
            backbone.module.to(tuning.device).eval()
        # The first pass also finds out what the axes of outputs mean.
        with torch.no_grad():
            first = backbone.tokens(self._images.batch([0]))[tuning.pick.name].global_tokens
        head = mlp_head(first[tuning.number - 1].shape[1], recipe.hidden, classes, tuning.seed)
        whole = recipe.trains == "all"
        head = head.to(tuning.device)
        self.module = TunedModule(backbone, tuning.pick.name, tuning.number - 1, head, whole=whole)
        # A network that cannot be tuned shows it before the work begins.
        self.module(self._images.batch([0]))

    def frozen(self) -> dict[str, Any]:
        """Figures of the network before tuning, and the tokens of its layers."""
        number, truth = self.tuning.number - 1, self.labels[self.shares.test]
        known = self._tokens(self.shares.train, "tokens before")[number]
        asked = self._tokens(self.shares.test, "tokens before")
        probe = linear_probe(known, self.labels[self.shares.train], asked[number], truth)
        figures = dict(zip(("probe_accuracy", "probe_balanced_accuracy"), probe, strict=True))
        figures |= dict(zip(("majority_accuracy", "majority_balanced_accuracy"), majority(truth), strict=True))
        chosen = np.isin(self.shares.test, self._compared)
        return {"figures": figures, "tokens": [one[chosen] for one in asked]}

    def trained(self, store: StateStore) -> list[dict[str, float]]:
        """Train, and return the log."""
        recipe, seed = self.tuning.recipe, self.tuning.seed
        rows = _Order(self.shares.train, recipe.batch, seed)
        looked = self.shares.test[:: max(1, -(-len(self.shares.test) // _LOOKED_AT))]
        optimiser = torch.optim.AdamW(
            [p for p in self.module.parameters() if p.requires_grad], lr=recipe.lr, weight_decay=recipe.weight_decay
        )

        def loss_of(step: int) -> Tensor:
            chosen = rows.of(step)
            labels = torch.as_tensor(self.labels[chosen], device=self.tuning.device)
            return nn.functional.cross_entropy(self.module(self._images.batch(chosen.tolist())), labels)

        def after_step(step: int) -> Mapping[str, float]:
            if step % max(1, recipe.steps // _LOOKS) or step == recipe.steps:
                return {}
            return {"accuracy": accuracies(self._said(looked, None), self.labels[looked])[0]}

        with self.report.task(f"{self.tuning.name}: tuning") as advance:
            return train(
                loss_of,
                self.module,
                optimiser,
                TrainingPlan(recipe.steps, seed),
                store=store,
                after_step=after_step,
                progress=advance,
                message=lambda text: self.report.message(f"{self.tuning.name}: {text}"),
            )

    def tuned(self) -> dict[str, Any]:
        """Figures of the network after tuning, and the tokens of its layers."""
        found = accuracies(self._said(self.shares.test, "test"), self.labels[self.shares.test])
        tokens = self._tokens(self._compared, "tokens after")
        return {"figures": dict(zip(("accuracy", "balanced_accuracy"), found, strict=True)), "tokens": tokens}

    def _said(self, rows: np.ndarray, label: str | None) -> np.ndarray:
        """The classes that the head names, [n]."""

        def tell(batch: Tensor) -> list[Tensor]:
            return [self.module(batch).argmax(dim=1)]

        if label is None:
            return read(self._images, rows, tell, lambda done, total, text: None)[0]
        with self.report.task(f"{self.tuning.name}: {label}") as advance:
            return read(self._images, rows, tell, advance)[0]

    def _tokens(self, rows: np.ndarray, label: str) -> list[np.ndarray]:
        with self.report.task(f"{self.tuning.name}: {label}") as advance:
            return read(self._images, rows, self.module.tokens, advance)


class _Order:
    """The rows of each step, by its number: every pass over the training images is in an order of its own."""

    def __init__(self, rows: np.ndarray, batch: int, seed: int) -> None:
        self._rows, self._batch, self._seed = rows, batch, seed
        self._pass: tuple[int, np.ndarray] | None = None

    def of(self, step: int) -> np.ndarray:
        """The row numbers of this step's images, [batch]."""
        return np.array(list(self._places(step)))

    def _places(self, step: int) -> Iterator[int]:
        for place in range(step * self._batch, (step + 1) * self._batch):
            number, index = divmod(place, len(self._rows))
            if self._pass is None or self._pass[0] != number:
                self._pass = number, np.random.default_rng([self._seed, number]).permutation(self._rows)
            yield int(self._pass[1][index])
