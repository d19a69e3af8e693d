"""Files in the format of SAELens: ours read back, and by SAELens itself where it is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from brainbench_sae import saelens
from brainbench_sae.autoencoder import Autoencoder, drawn
from safetensors.torch import load_file, save_file

from brainbench import DataError

C, M = 6, 20
KINDS = ("tied", "topk", "batchtopk")


def model(kind: str) -> Autoencoder:
    made = drawn(C, M, kind, 4, torch.Generator().manual_seed(0)).requires_grad_(False)
    made.bias.copy_(torch.linspace(-0.1, 0.1, M))
    made.centre.copy_(torch.linspace(0.3, -0.2, C))
    if kind == "batchtopk":
        made.threshold.fill_(0.2)
    return made


def tokens() -> torch.Tensor:
    return torch.randn(50, C, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_back_to_the_bit(kind: str, tmp_path: Path) -> None:
    made = model(kind)
    saelens.write(made, tmp_path, {"hook_name": "block.1"})
    again = saelens.read(tmp_path)
    assert (again.activation, again.tied) == (made.activation, made.tied)
    codes = made.codes(tokens())
    assert torch.equal(again.codes(tokens()), codes)
    assert torch.equal(again.decode(codes), made.decode(codes))
    assert json.loads((tmp_path / "cfg.json").read_text())["metadata"] == {"hook_name": "block.1"}


def test_a_bias_that_is_not_taken_off_the_input_is_given_back(tmp_path: Path) -> None:
    made = model("topk")
    saelens.write(made, tmp_path)
    _change(tmp_path, apply_b_dec_to_input=False)
    before = tokens() @ made.encoder.T + made.bias
    torch.testing.assert_close(saelens.read(tmp_path).before(tokens()), before)


def test_codes_in_units_of_the_decoders_norms(tmp_path: Path) -> None:
    made = model("topk")
    saelens.write(made, tmp_path)
    _change(tmp_path, rescale_acts_by_decoder_norm=True)
    tensors = load_file(tmp_path / saelens.WEIGHTS)
    norms = torch.linspace(0.5, 2, M)
    save_file(tensors | {"W_dec": tensors["W_dec"] * norms[:, None]}, tmp_path / saelens.WEIGHTS)
    again = saelens.read(tmp_path)
    torch.testing.assert_close(again.before(tokens()), made.before(tokens()) * norms)
    codes = again.codes(tokens())
    torch.testing.assert_close(again.decode(codes), codes @ tensors["W_dec"] + tensors["b_dec"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "gated"}, "architecture gated; allowed are standard, topk, jumprelu"),
        ({"normalize_activations": "layer_norm"}, "normalize_activations is 'layer_norm'; only 'none' can be read"),
        ({"d_sae": 21}, r"W_enc is \(6, 20\), and cfg.json says \(6, 21\)"),
    ],
)
def test_what_cannot_be_read_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    saelens.write(model("tied"), tmp_path)
    _change(tmp_path, **changes)
    with pytest.raises(DataError, match=message):
        saelens.read(tmp_path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no readable autoencoder .*; expected cfg.json and sae_weights.safetensors"):
        saelens.read(tmp_path)
    saelens.write(model("tied"), tmp_path)
    (tmp_path / saelens.WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(DataError, match="no readable autoencoder"):
        saelens.read(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_saelens_reads_our_files_and_we_read_its(kind: str, tmp_path: Path) -> None:
    theirs = pytest.importorskip("sae_lens", reason="sae_lens, the reference, is not installed")
    made, x = model(kind), tokens()
    saelens.write(made, tmp_path / "ours")
    read = theirs.SAE.load_from_disk(tmp_path / "ours")
    codes = read.encode(x)
    torch.testing.assert_close(codes, made.codes(x), atol=1e-5, rtol=0)
    torch.testing.assert_close(read.decode(codes), made.decode(codes), atol=1e-5, rtol=0)
    read.save_model(tmp_path / "theirs")
    torch.testing.assert_close(saelens.read(tmp_path / "theirs").codes(x), codes, atol=1e-5, rtol=0)


def _change(folder: Path, **changes: Any) -> None:
    path = folder / saelens.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
