from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brainbench_imagenet import model
from brainbench_imagenet.plugin import CARDS
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import get_model_weights, vit_b_16
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.models.vision_transformer import VisionTransformer

from brainbench import Backbone, BackboneCard, Tokens, Weights, WeightsError, seeded

pytestmark = pytest.mark.slow

NETWORKS = {card.name: card for card in CARDS}
MINI = NETWORKS["imagenet/mini"]
BASE = NETWORKS["imagenet/vit-b-16"]


def load(card: BackboneCard = MINI, path: Path | None = None, **settings: Any) -> Any:
    weights = Weights("file", path) if path else Weights("untrained")
    return card.loader(weights=weights, settings=card.resolve_settings(settings))


def images(count: int, size: int = 64) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def hooked(network: VisionTransformer, batch: Tensor) -> list[dict[str, Tensor]]:
    """What goes into each block, into its second norm and out of it: [B, N, C] each."""
    seen: list[dict[str, Tensor]] = []
    handles = []
    for block in network.encoder.layers:
        record: dict[str, Tensor] = {}
        seen.append(record)
        handles += [
            block.register_forward_pre_hook(lambda _, inputs, r=record: r.update(start=inputs[0].clone())),
            block.ln_2.register_forward_pre_hook(lambda _, inputs, r=record: r.update(attended=inputs[0].clone())),
            block.register_forward_hook(lambda _, inputs, output, r=record: r.update(end=output.clone())),
        ]
    with torch.no_grad():
        network(batch)
    for handle in handles:
        handle.remove()
    return seen


def frozen(architecture: str, seed: int = 0) -> VisionTransformer:
    with seeded(seed):
        return model.build(architecture).eval().requires_grad_(False)


def sequences(tokens: Tokens) -> list[Tensor]:
    pairs = zip(tokens.local_tokens, tokens.global_tokens, strict=True)
    return [torch.cat([glob[:, None], local.flatten(2).transpose(1, 2)], dim=1) for local, glob in pairs]


@pytest.mark.parametrize(("card", "count", "tap"), [(MINI, 3, "block"), (MINI, 3, "attention"), (BASE, 1, "block")])
def test_tokens_equal_torchvisions_own_extraction(card: BackboneCard, count: int, tap: str) -> None:
    network = frozen("mini" if card.mini else "vit_b_16")
    batch = images(count, card.input_size or 0)
    nodes = {model.TAPS[tap].format(i): str(i) for i in range(12)}
    with torch.no_grad():
        expected = create_feature_extractor(network, nodes)(batch)
    read = sequences(load(card, tap=tap).tokens(batch))
    assert len(read) == len(expected) == 12
    for one, other in zip(read, expected.values(), strict=True):
        assert torch.equal(one, other)


def test_attention_is_what_a_block_adds_first() -> None:
    batch = images(2)
    records = hooked(frozen("mini"), batch)
    for read, record in zip(sequences(load(tap="attention").tokens(batch)), records, strict=True):
        assert torch.equal(record["start"] + read, record["attended"])
        assert not torch.allclose(read, record["end"], atol=0.1)


def test_class_token_and_order_of_patches() -> None:
    backbone = load()
    batch = torch.zeros(2, 3, 64, 64)
    batch[1, :, 16:24, 40:48] = 3
    tokens = backbone.tokens(batch)
    change = (tokens.local_tokens[0][1] - tokens.local_tokens[0][0]).norm(dim=0)
    assert divmod(int(change.argmax()), 8) == (2, 5)
    # The class token has no picture of its own: it changes less than the patch that was marked.
    assert (tokens.global_tokens[0][1] - tokens.global_tokens[0][0]).norm() < 0.5 * change.max()


def test_untrained_is_the_initialisation_of_torchvision() -> None:
    ours = load(BASE, init_seed=5).module.state_dict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        theirs = vit_b_16().state_dict()
    assert theirs.keys() - ours.keys() == {"heads.head.weight", "heads.head.bias"}
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


@pytest.mark.parametrize("card", [MINI, BASE], ids=lambda card: card.name)
def test_card_tells_the_truth(card: BackboneCard) -> None:
    backbone = load(card)
    network = backbone.module
    assert isinstance(network, nn.Module)
    assert len(backbone.layers) == card.layers
    assert network.get_parameter("conv_proj.weight").shape == (card.width, 3, card.patch, card.patch)
    assert backbone.preprocess(Image.new("RGB", (9, 5))).shape == (3, card.input_size, card.input_size)
    assert sum(p.numel() for p in network.parameters()) == card.parameters
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("card", CARDS[:-1], ids=lambda card: card.name)
def test_release_is_one_torchvision_knows(card: BackboneCard) -> None:
    architecture = card.loader.keywords["architecture"]  # type: ignore[attr-defined]
    release = get_model_weights(architecture)[card.weights]
    assert release.url == card.source
    assert str(release.url).endswith(f"-{card.sha256}.pth")
    assert str(round(release.meta["_metrics"]["ImageNet-1K"]["acc@1"], 2)) in card.summary
    assert card.download_mb == pytest.approx(release.meta["_file_size"] * 1.048576, abs=1)


@pytest.mark.parametrize("preproc", ["paper", "native"])
def test_preproc(preproc: str) -> None:
    red = load(preproc=preproc).preprocess(Image.new("RGB", (90, 40), (255, 0, 0)))
    torch.testing.assert_close(red[:, 5, 60], torch.tensor([2.24891, -2.03571, -1.80444]))


def test_is_a_backbone() -> None:
    assert isinstance(load(), Backbone)


def old_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names of the layers of the perceptron in the files torchvision released."""
    return {n.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): v for n, v in state.items()}


@pytest.mark.parametrize("kind", ["safetensors", "pth", "pth with the old names"])
def test_a_file_in_the_original_layout(tmp_path: Path, kind: str) -> None:
    network = frozen("mini", 7)
    state = network.state_dict()
    path = tmp_path / "w"
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save(old_names(state) if "old" in kind else state, path)
    assert not ("old" in kind and "encoder.layers.encoder_layer_0.mlp.0.weight" in old_names(state))
    batch = images(2)
    read = sequences(load(path=path).tokens(batch))
    for one, record in zip(read, hooked(network, batch), strict=True):
        assert torch.equal(one, record["end"])
    assert not torch.allclose(read[-1], sequences(load().tokens(batch))[-1], atol=0.1)


def test_the_file_of_another_network(tmp_path: Path) -> None:
    other = VisionTransformer(image_size=64, patch_size=8, num_layers=13, num_heads=2, hidden_dim=64, mlp_dim=256)
    for state in (other.state_dict(), old_names(other.state_dict())):
        torch.save(state, tmp_path / "w.pth")
        with pytest.raises(WeightsError, match=r"do not fit imagenet/mini \(.*w\.pth\); .*wrong shape: .*64") as caught:
            load(path=tmp_path / "w.pth")
        assert "\n" not in str(caught.value)


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_hostile_file_runs_nothing(tmp_path: Path) -> None:
    torch.save(frozen("mini").state_dict() | {"class_token": Hostile(tmp_path / "owned")}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth: not a tensors-only torch file"):
        load(path=tmp_path / "w.pth")
    assert not (tmp_path / "owned").exists()
