from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
from brainbench_clip import model
from brainbench_clip.plugin import CARDS
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from brainbench import Backbone, BackboneCard, Tokens, Weights, WeightsError

pytestmark = pytest.mark.slow

NETWORKS = {card.name: card for card in CARDS}
MINI = NETWORKS["clip/mini"]


def load(card: BackboneCard = MINI, path: Path | None = None, **settings: Any) -> Any:
    weights = Weights("file", path) if path else Weights("untrained")
    return card.loader(weights=weights, settings=card.resolve_settings(settings))


def images(count: int, size: int = 64) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def hooked(visual: Any, batch: Tensor) -> list[dict[str, Tensor]]:
    """What goes into each block, into its second norm and out of it: [B, N, C] each."""
    seen: list[dict[str, Tensor]] = []
    handles = []
    for block in visual.transformer.resblocks:
        record: dict[str, Tensor] = {}
        seen.append(record)
        handles += [
            block.register_forward_pre_hook(lambda _, inputs, r=record: r.update(start=inputs[0].clone())),
            block.ln_2.register_forward_pre_hook(lambda _, inputs, r=record: r.update(attended=inputs[0].clone())),
            block.register_forward_hook(lambda _, inputs, output, r=record: r.update(end=output.clone())),
        ]
    with torch.no_grad():
        visual(batch)
    for handle in handles:
        handle.remove()
    return seen


def sequences(tokens: Tokens) -> list[Tensor]:
    pairs = zip(tokens.local_tokens, tokens.global_tokens, strict=True)
    return [torch.cat([glob[:, None], local.flatten(2).transpose(1, 2)], dim=1) for local, glob in pairs]


def test_blocks_equal_open_clips_own_intermediates() -> None:
    backbone, batch = load(), images(3)
    read = backbone.tokens(batch)
    with torch.no_grad():
        own = backbone.module.forward_intermediates(batch, intermediates_only=True, output_extra_tokens=True)
    assert len(read.local_tokens) == len(own["image_intermediates"]) == 12
    for layer in range(12):
        assert torch.equal(read.local_tokens[layer], own["image_intermediates"][layer])
        assert torch.equal(read.global_tokens[layer], own["image_intermediates_prefix"][layer][:, 0])


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("clip/vit-b-32-datacomp-s", "vit_base_patch32_clip_224"),
        ("clip/vit-b-16-openai", "vit_base_patch16_clip_quickgelu_224"),
    ],
)
def test_a_released_layout_gives_the_same_tokens_through_timm(name: str, theirs: str, tmp_path: Path) -> None:
    card = NETWORKS[name]
    config = open_clip.get_model_config(card.loader.keywords["architecture"])  # type: ignore[attr-defined]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        text = open_clip.CLIPTextCfg(context_length=8, vocab_size=20, width=32, heads=2, layers=2)
        whole = open_clip.CLIP(512, open_clip.CLIPVisionCfg(**config["vision_cfg"]), text)
    path = tmp_path / "open_clip_model.safetensors"
    save_file(whole.state_dict(), path)
    overlay = {"file": str(path), "num_classes": 512}
    other = timm.create_model(theirs, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=512).eval()
    batch = images(1, 224)
    read = load(card, path=path).tokens(batch)
    with torch.no_grad():
        expected = other.forward_intermediates(batch, return_prefix_tokens=True, norm=False, intermediates_only=True)
    for layer, (patches, prefix) in enumerate(expected):
        torch.testing.assert_close(read.local_tokens[layer], patches, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(read.global_tokens[layer], prefix[:, 0], atol=1e-4, rtol=1e-4)


def test_attention_is_what_a_block_adds_first() -> None:
    backbone = load(tap="attention")
    batch = images(2)
    records = hooked(backbone.module, batch)
    for read, record in zip(sequences(backbone.tokens(batch)), records, strict=True):
        assert torch.equal(record["start"] + read, record["attended"])
        assert not torch.allclose(read, record["end"], atol=0.1)


def test_attention_includes_layer_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    config = model.MINI | {"vision_cfg": model.MINI["vision_cfg"] | {"ls_init_value": 0.3}}
    monkeypatch.setattr(model, "MINI", config)
    backbone = load(tap="attention")
    batch = images(1)
    for read, record in zip(sequences(backbone.tokens(batch)), hooked(backbone.module, batch), strict=True):
        assert torch.equal(record["start"] + read, record["attended"])


def test_class_token_and_order_of_patches() -> None:
    backbone = load()
    batch = torch.zeros(2, 3, 64, 64)
    batch[1, :, 16:24, 40:48] = 3
    tokens = backbone.tokens(batch)
    change = (tokens.local_tokens[0][1] - tokens.local_tokens[0][0]).norm(dim=0)
    assert divmod(int(change.argmax()), 8) == (2, 5)
    # The class token has no picture of its own: it changes less than the patch that was marked.
    assert (tokens.global_tokens[0][1] - tokens.global_tokens[0][0]).norm() < 0.5 * change.max()


def test_quickgelu_where_it_was_trained_with() -> None:
    for card in CARDS:
        if card.layers == 24:
            continue
        block = load(card).module.transformer.resblocks[0]
        expected = "QuickGELU" if card.name.endswith("-openai") else "GELU"
        assert type(block.mlp.gelu).__name__ == expected, card.name


def test_untrained_is_the_initialisation_of_open_clip() -> None:
    ours = load(NETWORKS["clip/vit-b-32-datacomp-m"], init_seed=5).module.state_dict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        theirs = open_clip.create_model("ViT-B-32").visual.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_seed_draws_the_weights_and_nothing_else() -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[index]
    one, same, other = load(init_seed=1), load(init_seed=1), load(init_seed=2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # type: ignore[index]
    batch = images(1)
    last = [sequences(backbone.tokens(batch))[-1] for backbone in (one, same, other)]
    assert torch.equal(last[0], last[1])
    assert not torch.allclose(last[0], last[2], atol=0.1)


@pytest.mark.parametrize("card", [card for card in CARDS if card.layers == 12], ids=lambda card: card.name)
def test_card_tells_the_truth(card: BackboneCard) -> None:
    backbone = load(card)
    visual = backbone.module
    assert len(backbone.layers) == card.layers
    assert visual.class_embedding.shape == (card.width,)
    assert visual.patch_size == (card.patch, card.patch)
    assert visual.image_size == (card.input_size, card.input_size)
    assert sum(p.numel() for p in visual.parameters()) == card.parameters
    assert not visual.training
    assert not any(p.requires_grad for p in visual.parameters())


@pytest.mark.parametrize("card", CARDS[:-1], ids=lambda card: card.name)
def test_release_is_one_open_clip_knows(card: BackboneCard) -> None:
    architecture = card.loader.keywords["architecture"]  # type: ignore[attr-defined]
    assert open_clip.get_pretrained_cfg(architecture, card.weights)["hf_hub"].strip("/") == card.source
    vision = open_clip.get_model_config(architecture)["vision_cfg"]
    assert (vision["layers"], vision["width"], vision["patch_size"]) == (card.layers, card.width, card.patch)


def test_is_a_backbone() -> None:
    assert isinstance(load(), Backbone)


def test_preproc() -> None:
    red = Image.new("RGB", (90, 40), (255, 0, 0))
    paper, native = load(), load(preproc="native")
    assert paper.preprocess(red).shape == (3, 64, 64)
    torch.testing.assert_close(paper.preprocess(red)[:, 0, 0], torch.tensor([2.24891, -2.03571, -1.80444]))
    torch.testing.assert_close(native.preprocess(red)[:, 0, 0], torch.tensor([1.93034, -1.75210, -1.48022]))


def whole_clip(seed: int, vision: dict[str, Any] | None = None) -> Any:
    """Both towers, as open_clip releases them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text = open_clip.CLIPTextCfg(context_length=8, vocab_size=20, width=32, heads=2, layers=2)
        return open_clip.CLIP(96, open_clip.CLIPVisionCfg(**(vision or model.MINI["vision_cfg"])), text).eval()


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_file_in_the_original_layout(tmp_path: Path, suffix: str) -> None:
    clip = whole_clip(7)
    path = tmp_path / f"open_clip_model.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(clip.state_dict(), path)
    batch = images(2)
    backbone = load(path=path)
    read = sequences(backbone.tokens(batch))
    for one, record in zip(read, hooked(clip.visual, batch), strict=True):
        torch.testing.assert_close(one, record["end"], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(read[-1], sequences(load().tokens(batch))[-1], atol=0.1)
    ours, theirs = backbone.module.state_dict(), clip.visual.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_file_of_another_network(tmp_path: Path) -> None:
    narrow = model.MINI["vision_cfg"] | {"width": 64, "layers": 13}
    save_file(whole_clip(0, narrow).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(
        WeightsError,
        match=r"do not fit clip/mini \(.*w\.safetensors\); unexpected: visual\.transformer\.resblocks\.12.*"
        r"wrong shape: visual\.class_embedding is 64, not 96",
    ):
        load(path=tmp_path / "w.safetensors")


def test_keys_of_no_tower_are_refused(tmp_path: Path) -> None:
    save_file(whole_clip(0).state_dict() | {"head.weight": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"unexpected: head\.weight; give the file"):
        load(path=tmp_path / "w.safetensors")


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_hostile_file_runs_nothing(tmp_path: Path) -> None:
    torch.save(whole_clip(0).state_dict() | {"visual.proj": Hostile(tmp_path / "owned")}, tmp_path / "w.bin")
    with pytest.raises(WeightsError, match=r"w\.bin: not a tensors-only torch file"):
        load(path=tmp_path / "w.bin")
    assert not (tmp_path / "owned").exists()
