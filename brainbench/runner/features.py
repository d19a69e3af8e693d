"""Token requests -> features: from the store, or by one pass of the backbone over the rows that several stores lack."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from brainbench.backbones.checkpoints import load_state, load_strict, state_sha256
from brainbench.backbones.in_memory import lent
from brainbench.backbones.released_weights import obtained
from brainbench.backbones.tuned_weights import TunedNetwork
from brainbench.errors import DataError, PluginError
from brainbench.pipeline.extractor import Extractor, TokenOutput
from brainbench.pipeline.feature_cache import last_lookup, log_lookup, what_differs
from brainbench.pipeline.feature_store import FeatureStore, chunks
from brainbench.pipeline.image_loader import ImageLoader
from brainbench.pipeline.joint_features import JointFeatures
from brainbench.pipeline.shuffled_features import ShuffledFeatures, wrong_images
from brainbench.planning.picks import BackbonePick, JointPick
from brainbench.planning.tokens import NetworkRequest, TokenRequest
from brainbench.plugins import BlamedError, blamed
from brainbench.protocols import Backbone, JointBackbone
from brainbench.types import Features, Tokens, Weights
from brainbench.util.files import remove, storage
from brainbench.util.folders import Folders
from brainbench.util.hashing import digest
from brainbench.util.memory import freed_memory_kept
from brainbench.util.progress import Reporter

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import Tensor


_FRESH = "computed again: a fresh run was asked for"


@dataclass
class FeatureTask:
    """Features that are being computed: the store, made with the first chunk, and the rows that it lacks."""

    request: NetworkRequest
    store: FeatureStore | None
    gaps: Sequence[range]

    @property
    def name(self) -> str:
        """The card's name."""
        return self.request.backbone.name


@dataclass(frozen=True)
class Loaded:
    """A network in memory, and the sha256 of its weights."""

    backbone: JointBackbone
    sha256: str | None


class FeatureReader:
    """Provides requested tokens: from the store, or by running the backbone over what the store lacks.

    It keeps one backbone loaded at a time and one verdict per key: a backbone that failed once is not tried again. Other
    ``requests`` for the same network and images (another grid, another time step) are computed in the same pass.
    """

    def __init__(
        self,
        folders: Folders,
        device: str,
        report: Reporter,
        requests: Iterable[TokenRequest] = (),
    ) -> None:
        self.folders, self.device, self.report = folders, device, report
        # Pass -> features key -> a request that this pass can serve.
        self._passes: dict[str, dict[str, NetworkRequest]] = {}
        for request in requests:
            for one in request.networks:
                self._passes.setdefault(one.reading, {}).setdefault(one.key, one)
        self._stores: dict[str, FeatureStore | BlamedError] = {}
        self._loaded: tuple[Any, Loaded] | None = None
        # Networks that belong to somebody else, while they are in use.
        self._lent = ExitStack()

    def forget(self) -> None:
        """Remove the tokens of all requests from the store, so that they are computed again."""
        for request in {one.key: one for serving in self._passes.values() for one in serving.values()}.values():
            folder = self.folders.features / request.key
            with storage(self.folders.features), self.folders.locked(self.folders.features, request.key):
                remove(folder)
            log_lookup(self.folders.cache, request.key, request.backbone.display, _FRESH)

    def release(self) -> None:
        """Forget the network in memory; one that belongs to somebody else is given back as it was."""
        self._loaded = None
        self._lent.close()

    def read(self, request: TokenRequest) -> Features:
        """Return the complete features. Raises BlamedError if the backbone fails."""
        each = {one.backbone.display: self._tokens(one) for one in request.networks}
        if isinstance(request.backbone, JointPick):
            return JointFeatures(request.key, each)
        (alone,) = each.values()
        return alone

    def weights_sha256(self, request: TokenRequest) -> str | None:
        """Return the sha256 of the weights that made the features. Raises BlamedError if the backbone fails.

        For a joint backbone, it is the digest of its networks' digests.
        """
        each = [self._complete(one).weights_sha256 for one in request.networks]
        if isinstance(request.backbone, JointPick):
            return digest(each) if any(each) else None
        return each[0]

    def _tokens(self, request: NetworkRequest) -> Features:
        store, pick = self._complete(request), request.backbone
        if not pick.card.shuffles:
            return store
        seed = pick.settings["shuffle_seed"]
        with blamed(pick.plugin, "shuffle"):
            return ShuffledFeatures(store, wrong_images(request.stimuli.digests, seed), seed)

    def _complete(self, request: NetworkRequest) -> FeatureStore:
        if request.key not in self._stores:
            partners = self._partners(request)
            try:
                self._obtain([request, *partners])
            except BlamedError as error:
                if partners:  # whose fault it was shows when each is alone
                    return self._alone(request)
                self._stores[request.key] = error
        return self._known(request)

    def _alone(self, request: NetworkRequest) -> FeatureStore:
        try:
            self._obtain([request])
        except BlamedError as error:
            self._stores[request.key] = error
        return self._known(request)

    def _known(self, request: NetworkRequest) -> FeatureStore:
        found = self._stores[request.key]
        if isinstance(found, BlamedError):
            raise found
        return found

    def _partners(self, request: NetworkRequest) -> list[NetworkRequest]:
        """Return one request for each further set of features that the same pass can provide."""
        others = self._passes.get(request.reading, {})
        return [other for key, other in others.items() if key != request.key and key not in self._stores]

    def _obtain(self, requests: Sequence[NetworkRequest]) -> None:
        """Complete these stores if the first one is incomplete. Takes one lock per key, always in the same order."""
        with storage(self.folders.features), ExitStack() as locks:
            for key in sorted(request.key for request in requests):
                locks.enter_context(self.folders.locked(self.folders.features, key))
            with blamed(requests[0].backbone.plugin, "tokens"):
                tasks = [self._task(requests[0])]
                if tasks[0].gaps:
                    tasks += [task for task in map(self._task, requests[1:]) if task.gaps]
                    self._fill(tasks)
                for task in tasks:
                    if task.store is None:
                        raise DataError("there are no images to read tokens of")
                    self._stores[task.request.key] = task.store

    def _task(self, request: NetworkRequest) -> FeatureTask:
        store = FeatureStore.find(self.folders.features / request.key, request.key)
        gaps, damaged = store.gaps() if store else (chunks(len(request.stimuli)), 0)
        why, display = self._why(request, store, len(gaps), damaged), request.backbone.display
        log_lookup(self.folders.cache, request.key, display, why)
        if damaged:
            self.report.message(f"{display}: {why}")
        return FeatureTask(request, store, gaps)

    def _why(self, request: NetworkRequest, store: FeatureStore | None, gaps: int, damaged: int) -> str:
        if store is None and last_lookup(self.folders.cache, request.key) == _FRESH:
            return _FRESH
        if store is None:
            return what_differs(self.folders.cache, dict(request.ingredients))
        if damaged:
            return f"damage found: {damaged} of {gaps} missing chunks failed their checksum and are computed again"
        return f"{gaps} chunks were still to be computed" if gaps else "hit"

    def _fill(self, tasks: Sequence[FeatureTask]) -> None:
        pick, stimuli = tasks[0].request.backbone, tasks[0].request.stimuli
        loaded = self._load(pick, [task.name for task in tasks])
        backbone = loaded.backbone
        for task in tasks:
            # What is there was made by other weights, which no fact in the key has told apart.
            if task.store is not None and task.store.weights_sha256 != loaded.sha256:
                task.store, task.gaps = None, chunks(len(stimuli))
        extractor = Extractor(backbone.tokens, self.device, pick.settings)
        every = sorted({rows for task in tasks for rows in task.gaps}, key=lambda rows: rows.start)
        title = ", ".join(dict.fromkeys(task.request.backbone.display for task in tasks))
        with (
            self.report.task(f"{title}: tokens") as advance,
            ImageLoader(stimuli, [row for rows in every for row in rows], backbone.preprocess) as images,
            freed_memory_kept(),
        ):
            for rows in every:
                some = [task for task in tasks if rows in task.gaps]
                wanted = [TokenOutput(t.name, backbone.layers[t.name], t.request.grid) for t in some]
                found = extractor.extract(images, len(rows), wanted)
                with storage(self.folders.features):
                    for task, (local, glob) in zip(some, found, strict=True):
                        if task.store is None:
                            task.store = self._created(task, loaded, local, len(stimuli))
                        task.store.write(rows, local, glob)
                advance(rows.stop, len(stimuli), f"{rows.stop} of {len(stimuli)} images")

    def _created(self, task: FeatureTask, loaded: Loaded, local: Sequence[np.ndarray], stimuli: int) -> FeatureStore:
        key = task.request.key
        return FeatureStore.create(
            self.folders.features / key,
            key,
            layers=loaded.backbone.layers[task.name],
            local=local,
            stimuli=stimuli,
            weights_sha256=loaded.sha256,
            ingredients=task.request.ingredients,
        )

    def _load(self, pick: BackbonePick, names: Iterable[str]) -> Loaded:
        wanted = tuple(dict.fromkeys(names))
        identity = (pick, wanted)
        if self._loaded is None or self._loaded[0] != identity:
            self.release()
            with blamed(pick.plugin, "load"):
                backbone = load_backbone(pick, wanted)
                if backbone.module is not None and pick.card.weights == "in memory" and not pick.task:
                    self._lent.enter_context(lent(backbone.module, self.device))
                elif backbone.module is not None:
                    backbone.module.to(self.device).train(False)
                sha256 = None if backbone.module is None else state_sha256(backbone.module)
            self._loaded = (identity, Loaded(backbone, sha256))
        return self._loaded[1]


def load_backbone(pick: BackbonePick, names: Sequence[str]) -> JointBackbone:
    """Load what returns the tokens of the cards ``names`` in one pass. A card without ``joint`` is a pass of its own."""
    if pick.weights.kind == "tuned" and pick.weights.path is not None:
        return _tuned(pick, pick.weights.path, names)
    card = pick.card
    weights = obtained(card, pick.weights)
    if card.joint is not None:
        joint = card.joint(names=tuple(names), weights=weights, settings=pick.settings)
        if not isinstance(joint, JointBackbone):
            raise PluginError(f"{card.name}: joint() returned {type(joint).__name__}, expected a JointBackbone")
        return joint
    backbone = card.loader(weights=weights, settings=pick.settings)
    if not isinstance(backbone, Backbone):
        raise PluginError(f"{card.name}: load() returned {type(backbone).__name__}, expected a Backbone")
    return SoloBackbone(card.name, backbone)


def _tuned(pick: BackbonePick, path: Path, names: Sequence[str]) -> JointBackbone:
    """Load a network of this kind, and then its state dict after tuning, which has every weight."""
    TunedNetwork(path.parent).check()
    kind: Literal["release", "untrained"] = "release" if pick.card.weights in ("none", "in memory") else "untrained"
    backbone = load_backbone(replace(pick, weights=Weights(kind), task=""), names)
    if backbone.module is None:
        raise PluginError(f"{pick.display}: {pick.name} has no module that could have been tuned")
    if pick.card.weights == "in memory":
        # The network is the user's own: it stays as it is.
        backbone = copy.deepcopy(backbone)
    assert backbone.module is not None
    load_strict(backbone.module, load_state(path), what=pick.display)
    return backbone


class SoloBackbone:
    """A single Backbone, wrapped as a JointBackbone."""

    def __init__(self, name: str, backbone: Backbone) -> None:
        self._name, self._backbone = name, backbone
        self.module = backbone.module
        self.layers: Mapping[str, Sequence[str]] = {name: backbone.layers}

    def preprocess(self, image: Image.Image) -> Tensor:
        """As ``Backbone.preprocess``."""
        return self._backbone.preprocess(image)

    def tokens(self, batch: Tensor) -> Mapping[str, Tokens]:
        """As ``Backbone.tokens``, by name."""
        return {self._name: self._backbone.tokens(batch)}
