"""The contract of backbones. Each check says what it saw, or raises ContractError."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from brainbench.backbones.packaged_weights import is_shipped
from brainbench.backbones.released_weights import obtained
from brainbench.cards import BackboneCard
from brainbench.errors import PluginError
from brainbench.pipeline.extractor import check_tokens
from brainbench.protocols import Backbone, JointBackbone
from brainbench.registry import installed
from brainbench.testing.cases import expect, light_listing, no_network, untouched_random_state
from brainbench.types import Tokens, Weights

# Of the largest token of a layer: other sizes of a batch run other kernels.
TOLERANCE = 1e-3
SIZES = ((90, 61), (64, 64), (33, 120))


class BackboneCase:
    """One backbone under test: its network as the library initialises it, three pictures and their tokens."""

    def __init__(self, card: BackboneCard) -> None:
        self.card = card

    @classmethod
    def named(cls, name: str) -> BackboneCase:
        """Return the case of an installed backbone. Raises UsageError if there is none of this name."""
        return cls(installed().backbones.get(name).card)

    def load(self, **settings: Any) -> Backbone:
        """Return a new network, untrained if it can be trained, in eval mode."""
        own = self.card.weights in ("none", "in memory")
        backbone = self.card.loader(
            weights=Weights("release" if own else "untrained"), settings=self.settings(**settings)
        )
        expect(isinstance(backbone, Backbone), f"load() returned {type(backbone).__name__}, expected a Backbone")
        if backbone.module is not None:
            backbone.module.train(False)
        return backbone  # type: ignore[no-any-return]

    def settings(self, **settings: Any) -> dict[str, Any]:
        """The card's settings with these changed, in float32."""
        return self.card.resolve_settings({"precision": "float32", **settings})

    @cached_property
    def backbone(self) -> Backbone:
        """The network that most checks look at."""
        return self.load()

    @cached_property
    def batch(self) -> Tensor:
        """Three pictures, prepared."""
        return prepared(self.backbone)

    @cached_property
    def tokens(self) -> Tokens:
        """Their tokens."""
        return read(self.backbone, self.batch)

    @cached_property
    def by_tap(self) -> dict[str, tuple[Backbone, Tokens]]:
        """The network at every tap of the card, and its tokens there."""
        at = {self.settings()["tap"]: (self.backbone, self.tokens)}
        for tap in self.card.taps:
            if tap not in at:
                other = self.load(tap=tap)
                at[tap] = other, read(other, self.batch)
        return at


def pictures() -> list[Image.Image]:
    """Return three coloured pictures of different sizes, one of them square."""
    rng = np.random.default_rng(0)
    coarse = [Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)) for _ in SIZES]
    return [picture.resize(size, Image.Resampling.BICUBIC) for picture, size in zip(coarse, SIZES, strict=True)]


def prepared(backbone: Backbone) -> Tensor:
    """Return the three pictures as the network's input."""
    return torch.stack([backbone.preprocess(picture) for picture in pictures()])


def read(backbone: Backbone, batch: Tensor) -> Tokens:
    """Return tokens without gradients, as a run reads them."""
    with torch.inference_mode():
        return backbone.tokens(batch)


def _flat(tokens: Tokens) -> list[Tensor]:
    return [*tokens.local_tokens, *tokens.global_tokens]


def _far(one: Tokens, other: Tokens) -> float:
    """Return the largest difference, relative to each layer's largest token."""
    pairs = zip(_flat(one), _flat(other), strict=True)
    return max(float((a - b).abs().max() / b.abs().max().clamp_min(1e-12)) for a, b in pairs)


def _row(tokens: Tokens, rows: list[int]) -> Tokens:
    return Tokens(tuple(t[rows] for t in tokens.local_tokens), tuple(t[rows] for t in tokens.global_tokens))


def shapes(case: BackboneCase) -> str:
    """Local tokens [B, C, H, W] and global tokens [B, C] of every layer, finite."""
    layers = case.backbone.layers
    expect(len(set(layers)) == len(layers) > 0, f"layers {list(layers)}: expected different names, at least one")
    try:
        check_tokens(case.tokens, layers, len(case.batch), case.card.name)
    except PluginError as error:
        expect(False, str(error))
    first = list(case.tokens.local_tokens[0].shape[1:])
    return f"{len(layers)} layers, the first {first}"


def dtype_and_device(case: BackboneCase) -> str:
    """Floating tokens, on the device of the images."""
    for tensor in _flat(case.tokens):
        expect(tensor.is_floating_point(), f"tokens are {tensor.dtype}, expected a floating type")
        expect(tensor.device == case.batch.device, f"images on {case.batch.device}, tokens on {tensor.device}")
    return f"{case.tokens.local_tokens[0].dtype} on {case.batch.device}"


def frozen(case: BackboneCase) -> str:
    """Neither the parameters nor the tokens require gradients."""
    module = case.backbone.module
    open_ = [name for name, p in module.named_parameters() if p.requires_grad] if module is not None else []
    expect(not open_, f"{len(open_)} parameters want gradients, {', '.join(open_[:2])} ...; call requires_grad_(False)")
    with torch.enable_grad():
        wanting = any(t.requires_grad for t in _flat(case.backbone.tokens(case.batch[:1])))
    expect(not wanting, "the tokens want gradients")
    return "no gradients"


def eval_mode(case: BackboneCase) -> str:
    """module.train(False) reaches every part, and reading does not change that."""
    module = case.backbone.module
    if module is None:
        return "no network"
    _ = case.tokens
    training = [name or "the network" for name, part in module.named_modules() if part.training]
    expect(not training, f"in training mode: {', '.join(training[:3])}; dropout and batch statistics would act")
    return "in eval mode"


def deterministic(case: BackboneCase) -> str:
    """The same network reads the same twice, and so does one that is loaded again."""
    expect(_far(read(case.backbone, case.batch), case.tokens) == 0, "two passes over the same images differ")
    again = case.load()
    expect(
        _far(read(again, prepared(again)), case.tokens) == 0, "the same init_seed gives other tokens when loaded again"
    )
    return "twice the same"


def init_seed(case: BackboneCase) -> str:
    """Another init_seed draws other weights."""
    if not any(setting.name == "init_seed" for setting in case.card.all_settings()):
        return "nothing to draw"
    other = case.load(init_seed=1)
    expect(_far(read(other, case.batch), case.tokens) > 0, "init_seed=1 gives the tokens of init_seed=0")
    return "another seed, other weights"


def alone(case: BackboneCase) -> str:
    """An image has the same tokens alone as in a batch, at every tap."""
    differ = {}
    for tap, (backbone, together) in case.by_tap.items():
        differ[tap] = far = _far(read(backbone, case.batch[1:2]), _row(together, [1]))
        what = f"tap={tap}: an image alone differs from the same image in a batch"
        expect(far <= TOLERANCE, f"{what} by {far:.2g} of the largest token")
    return f"differ by {max(differ.values()):.1g}"


def order(case: BackboneCase) -> str:
    """Tokens follow their images when the order changes."""
    turned = [2, 0, 1]
    far = _far(read(case.backbone, case.batch[turned]), _row(case.tokens, turned))
    expect(far <= TOLERANCE, f"with the images in another order, tokens differ by {far:.2g} of the largest")
    apart = min(float((t[0] - t[1]).abs().max()) for t in case.tokens.local_tokens[-1:])
    expect(apart > 0, "two different pictures have the same tokens in the last layer")
    return f"differ by {far:.1g}"


def preprocessing(case: BackboneCase) -> str:
    """Pictures of any size and kind become float32 [3, H, W], the same each time, from several threads too."""
    backbone = case.backbone
    shape = tuple(case.batch.shape[1:])
    for kind in ("RGB", "L", "RGBA", "P"):
        made = backbone.preprocess(pictures()[0].convert(kind))
        good = made.dtype == torch.float32 and tuple(made.shape) == shape and shape[0] == 3
        expect(
            good, f"a picture of mode {kind} becomes {made.dtype} {list(made.shape)}, expected float32 {list(shape)}"
        )
        expect(bool(torch.isfinite(made).all()), f"a picture of mode {kind} becomes NaN or infinite")
    with ThreadPoolExecutor(4) as pool:
        several = list(pool.map(backbone.preprocess, [*pictures()] * 4))
    same = all(torch.equal(made, case.batch[i % len(SIZES)]) for i, made in enumerate(several))
    expect(same, "preprocess gives something else when several threads call it")
    return f"float32 {list(shape)}"


def native(case: BackboneCase) -> str:
    """preproc=native gives tokens of the same layers."""
    other = case.load(preproc="native")
    check_tokens(read(other, prepared(other)), case.backbone.layers, len(SIZES), case.card.name)
    return f"{list(other.preprocess(pictures()[0]).shape)}"


def taps(case: BackboneCase) -> str:
    """Every tap of the card gives tokens that differ from the first tap's."""
    for tap, (_, other) in case.by_tap.items():
        if tap != case.settings()["tap"]:
            check_tokens(other, case.backbone.layers, len(SIZES), case.card.name)
            last = (t.local_tokens[-1] for t in (other, case.tokens))
            expect(not _equal(*last), f"tap={tap} gives the tokens of tap={case.settings()['tap']}")
    return ", ".join(case.card.taps)


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def card(case: BackboneCase) -> str:
    """The network agrees with its card: layers, width, patch, input size, parameters; a release names its source."""
    facts, tokens = case.card, case.tokens
    # A small picture may be enlarged on the way: what is given to the network natively counts too.
    sizes = [case.batch.shape[-1], case.load(preproc="native").preprocess(pictures()[0]).shape[-1]]
    size = facts.input_size if facts.input_size in sizes else sizes[0]
    found: dict[str, Any] = {
        "layers": len(case.backbone.layers),
        "width": max(t.shape[1] for t in tokens.local_tokens),
        "input_size": size,
        # That of the finest layer, if layers differ.
        "patch": size // max(t.shape[-1] for t in tokens.local_tokens),
    }
    if case.backbone.module is not None:
        found["parameters"] = sum(p.numel() for p in case.backbone.module.parameters())
    for name, value in found.items():
        said = getattr(facts, name)
        expect(said in (None, value), f"the card says {name} {said}, the network has {value:,}")
    if facts.released:
        expect(bool(facts.source), "weights are released, but the card gives no source")
    return ", ".join(f"{name} {value:,}" for name, value in found.items() if getattr(facts, name) is not None)


def weights(case: BackboneCase) -> str:
    """Weights in the plugin's own package agree with the card, and make another network than its untrained twin."""
    if not is_shipped(case.card.source):
        return "none in the package"
    backbone = case.card.loader(weights=obtained(case.card, Weights("release")), settings=case.settings())
    expect(
        _far(read(backbone, case.batch), case.tokens) > TOLERANCE, "its weights give the tokens of its untrained twin"
    )
    return f"{case.card.weights}: {case.card.training}"


def joint(case: BackboneCase) -> str:
    """Read together with other cards, it gives the same tokens as alone."""
    if case.card.joint is None:
        return "goes alone"
    both = case.card.joint(names=(case.card.name,), weights=Weights("untrained"), settings=case.settings())
    expect(isinstance(both, JointBackbone), f"joint() returned {type(both).__name__}, expected a JointBackbone")
    with torch.inference_mode():
        far = _far(both.tokens(case.batch)[case.card.name], case.tokens)
    expect(far == 0, f"in a joint pass the tokens differ by {far:.2g} of the largest")
    return "the same together"


def quiet(case: BackboneCase) -> str:
    """Loading and reading leave the global generators unchanged and contact no other machine."""
    with no_network("loading the untrained network"), untouched_random_state("loading"):
        backbone = case.load()
    with no_network("reading"), untouched_random_state("reading"):
        read(backbone, case.batch)
    return "no network, global generators untouched"


def light(case: BackboneCase) -> str:
    """Importing the plugin, to list its cards, imports nothing heavy and contacts no other machine."""
    return light_listing(case.card, "backbones")


Check = Callable[[BackboneCase], str]
BACKBONE_CHECKS: Mapping[str, Check] = {
    check.__name__.replace("_", " "): check
    for check in (
        shapes,
        dtype_and_device,
        frozen,
        eval_mode,
        deterministic,
        init_seed,
        alone,
        order,
        preprocessing,
        native,
        taps,
        card,
        weights,
        joint,
        quiet,
        light,
    )
}
