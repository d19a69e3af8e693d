"""Job -> features: from the store, or by one pass of the backbone over what the stores of several jobs lack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from brainbench.backbones.checkpoints import state_sha256
from brainbench.backbones.released_weights import obtained
from brainbench.errors import PluginError
from brainbench.pipeline.extractor import Extractor, TokenOutput
from brainbench.pipeline.feature_cache import log_lookup, what_differs
from brainbench.pipeline.feature_store import FeatureStore, chunks
from brainbench.pipeline.image_loader import ImageLoader
from brainbench.pipeline.joint_features import JointFeatures
from brainbench.pipeline.shuffled_features import ShuffledFeatures, wrong_images
from brainbench.planning import keys
from brainbench.planning.dataset import OpenDataset
from brainbench.planning.jobs import Job, member_jobs
from brainbench.planning.picks import BackbonePick
from brainbench.plugins import JobError, blamed
from brainbench.protocols import Backbone, JointBackbone
from brainbench.types import Features, Stimuli, Tokens
from brainbench.util.files import storage
from brainbench.util.folders import Folders
from brainbench.util.hashing import digest
from brainbench.util.progress import Reporter

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import Tensor


@dataclass
class FeatureTask:
    """The features of one job while they are computed: the store, made with the first chunk, and the rows it lacks."""

    job: Job
    store: FeatureStore | None
    gaps: Sequence[range]

    @property
    def name(self) -> str:
        """The card's name."""
        return self.job.backbone.name


@dataclass(frozen=True)
class Loaded:
    """A network in memory, and the sha256 of its weights."""

    backbone: JointBackbone
    sha256: str | None


class FeatureReader:
    """Gives each job its features: from the store, or by running the backbone over what the store lacks.

    Keeps one backbone loaded at a time and one verdict a key: a backbone that failed once is not tried again. What other
    ``jobs`` will want of the same network and images (another grid, another time step) is computed in the same pass.
    """

    def __init__(
        self, data: OpenDataset, folders: Folders, device: str, report: Reporter, jobs: Sequence[Job] = ()
    ) -> None:
        self.data, self.folders, self.device, self.report = data, folders, device, report
        self.jobs = [one for job in jobs for one in member_jobs(job, data)]
        self._stores: dict[str, FeatureStore | JobError] = {}
        self._loaded: tuple[Any, Loaded] | None = None

    def of(self, job: Job) -> Features:
        """The complete features of a job; raises JobError when the backbone cannot give them."""
        if job.backbone.members:
            each = {one.backbone.display: self.of(one) for one in member_jobs(job, self.data)}
            return JointFeatures(job.features_key, each)
        store, pick = self._complete(job), job.backbone
        if not pick.card.shuffles:
            return store
        seed = pick.settings["shuffle_seed"]
        with blamed(self.data.plugin, "shuffle"):
            return ShuffledFeatures(store, wrong_images(self.data.stimuli(job.subject).digests, seed), seed)

    def weights_sha256(self, job: Job) -> str | None:
        """Of the network that made the features of a job; raises JobError when it cannot give them.

        Of several networks as one, the digest of theirs.
        """
        if not job.backbone.members:
            return self._complete(job).weights_sha256
        each = [self._complete(one).weights_sha256 for one in member_jobs(job, self.data)]
        return digest(each) if any(each) else None

    def _complete(self, job: Job) -> FeatureStore:
        if job.features_key not in self._stores:
            partners = self._partners(job)
            try:
                self._obtain([job, *partners])
            except JobError as error:
                if partners:  # whose fault it was shows when each is alone
                    return self._alone(job)
                self._stores[job.features_key] = error
        return self._known(job)

    def _alone(self, job: Job) -> FeatureStore:
        try:
            self._obtain([job])
        except JobError as error:
            self._stores[job.features_key] = error
        return self._known(job)

    def _known(self, job: Job) -> FeatureStore:
        found = self._stores[job.features_key]
        if isinstance(found, JobError):
            raise found
        return found

    def _partners(self, job: Job) -> list[Job]:
        """One job for each further set of features that the same pass can give."""
        found: dict[str, Job] = {}
        for other in self.jobs:
            if other.features_key not in (job.features_key, *self._stores) and self._pass(other) == self._pass(job):
                found.setdefault(other.features_key, other)
        return list(found.values())

    def _pass(self, job: Job) -> Any:
        pick = job.backbone
        network = repr(pick.card.joint or pick.name)
        weights = keys.weights_facts(pick.card, pick.weights)
        return network, weights, dict(pick.settings), self.data.stimuli(job.subject).key

    def _obtain(self, jobs: Sequence[Job]) -> None:
        """Complete the stores of these jobs, if the first one's is not; one lock a key, always in the same order."""
        with storage(self.folders.features), ExitStack() as locks:
            for key in sorted(job.features_key for job in jobs):
                locks.enter_context(self.folders.locked(self.folders.features, key))
            with blamed(jobs[0].backbone.plugin, "tokens"):
                targets = [self._target(jobs[0])]
                if targets[0].gaps:
                    targets += [target for target in map(self._target, jobs[1:]) if target.gaps]
                    self._fill(targets)
                for target in targets:
                    if target.store is None:
                        raise PluginError(f"{self.data.card.name}: subject {target.job.subject} has no stimuli")
                    self._stores[target.job.features_key] = target.store

    def _target(self, job: Job) -> FeatureTask:
        store = FeatureStore.find(self.folders.features / job.features_key, job.features_key)
        gaps, damaged = store.gaps() if store else (chunks(len(self.data.stimuli(job.subject))), 0)
        why = self._why(job, store, len(gaps), damaged)
        log_lookup(self.folders.cache, job.features_key, job.backbone.display, why)
        if damaged:
            self.report.message(f"{job.backbone.display}: {why}")
        return FeatureTask(job, store, gaps)

    def _why(self, job: Job, store: FeatureStore | None, gaps: int, damaged: int) -> str:
        if store is None:
            return what_differs(self.folders.cache, dict(job.ingredients))
        if damaged:
            return f"damage found: {damaged} of {gaps} missing chunks failed their checksum and are computed again"
        return f"{gaps} chunks were still to be computed" if gaps else "hit"

    def _fill(self, targets: Sequence[FeatureTask]) -> None:
        pick, subject = targets[0].job.backbone, targets[0].job.subject
        stimuli = self._blameless(self.data.stimuli(subject))
        loaded = self._load(pick, [target.name for target in targets])
        backbone = loaded.backbone
        extractor = Extractor(backbone.tokens, self.device, pick.settings)
        every = sorted({rows for target in targets for rows in target.gaps}, key=lambda rows: rows.start)
        title = ", ".join(dict.fromkeys(target.job.backbone.display for target in targets))
        with (
            self.report.task(f"{title}: tokens") as advance,
            ImageLoader(stimuli, [row for rows in every for row in rows], backbone.preprocess) as images,
        ):
            for rows in every:
                some = [target for target in targets if rows in target.gaps]
                wanted = [TokenOutput(t.name, backbone.layers[t.name], t.job.grid) for t in some]
                found = extractor.extract(images, len(rows), wanted)
                with storage(self.folders.features):
                    for target, (local, glob) in zip(some, found, strict=True):
                        if target.store is None:
                            target.store = self._created(target, loaded, local, len(stimuli))
                        target.store.write(rows, local, glob)
                advance(rows.stop, len(stimuli), f"{rows.stop} of {len(stimuli)} images")

    def _blameless(self, stimuli: Stimuli) -> Stimuli:
        """The same images; one that cannot be opened is the dataset's failure, not the backbone's."""

        def opened(row: int) -> Image.Image:
            with blamed(self.data.plugin, f"image {stimuli.ids[row]}"):
                return stimuli.open(row)

        return replace(stimuli, open=opened)

    def _created(self, target: FeatureTask, loaded: Loaded, local: Sequence[np.ndarray], stimuli: int) -> FeatureStore:
        return FeatureStore.create(
            self.folders.features / target.job.features_key,
            target.job.features_key,
            layers=loaded.backbone.layers[target.name],
            local=local,
            stimuli=stimuli,
            weights_sha256=loaded.sha256,
            ingredients=target.job.ingredients,
        )

    def _load(self, pick: BackbonePick, names: Iterable[str]) -> Loaded:
        wanted = tuple(dict.fromkeys(names))
        identity = (pick, wanted)
        if self._loaded is None or self._loaded[0] != identity:
            self._loaded = None
            with blamed(pick.plugin, "load"):
                backbone = load_backbone(pick, wanted)
                if backbone.module is not None:
                    backbone.module.to(self.device).train(False)
                sha256 = None if backbone.module is None else state_sha256(backbone.module)
            self._loaded = (identity, Loaded(backbone, sha256))
        return self._loaded[1]


def load_backbone(pick: BackbonePick, names: Sequence[str]) -> JointBackbone:
    """Load what gives the tokens of the cards ``names`` in one pass; a card that goes with no other is a pass of its own."""
    card = pick.card
    weights = obtained(card, pick.weights)
    if card.joint is not None:
        joint = card.joint(names=tuple(names), weights=weights, settings=pick.settings)
        if not isinstance(joint, JointBackbone):
            raise PluginError(f"{card.name}: joint() gave {type(joint).__name__}, which is no JointBackbone")
        return joint
    backbone = card.loader(weights=weights, settings=pick.settings)
    if not isinstance(backbone, Backbone):
        raise PluginError(f"{card.name}: load() gave {type(backbone).__name__}, which is no Backbone")
    return SoloBackbone(card.name, backbone)


class SoloBackbone:
    """A Backbone that goes with no other, as a JointBackbone of one."""

    def __init__(self, name: str, backbone: Backbone) -> None:
        self._name, self._backbone = name, backbone
        self.module = backbone.module
        self.layers: Mapping[str, Sequence[str]] = {name: backbone.layers}

    def preprocess(self, image: Image.Image) -> Tensor:
        """As the backbone's."""
        return self._backbone.preprocess(image)

    def tokens(self, batch: Tensor) -> Mapping[str, Tokens]:
        """As the backbone's, by its name."""
        return {self._name: self._backbone.tokens(batch)}
