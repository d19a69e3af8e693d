"""Everything that is fitted, on a pretended GPU: tensors stay where they belong, and no step waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from linear import QUICK, LinearModel, linear_problem
from pretended_device import PretendedDevice, pretended_device
from torch import Tensor, nn

from brainbench import FitContext
from brainbench.fitting import FittedModel, fit_model, load_training_data, train
from brainbench.fitting.fit_state import FitState
from brainbench.protocols import Aligning
from brainbench.registry import installed
from brainbench.testing.encoders import EncoderCase, ToyFeatures, toy_responses

MakeFeatures = Callable[..., Any]
ENCODERS = [entry.name for entry in installed().encoders]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedDevice]:
    with pretended_device(monkeypatch) as pretended:
        yield pretended


def test_the_pretended_device_has_the_rules_of_a_gpu(device: PretendedDevice) -> None:
    there, here = torch.ones(3, 2).to("cuda"), torch.ones(3, 2)
    assert (there * 2).is_cuda
    assert torch.zeros_like(there).device == torch.device("cuda:0")
    assert not here.is_cuda
    with pytest.raises(RuntimeError, match="same device"):
        there + here
    with pytest.raises(TypeError, match="numpy"):
        there.numpy()
    waited = device.waits
    there[torch.tensor([0, 1])].sum()
    assert device.waits == waited
    assert there.sum().item() == 6
    np.testing.assert_array_equal(there.cpu().numpy(), np.ones((3, 2)))
    assert device.waits > waited


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_fits_on_a_gpu_as_on_the_cpu(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    case = EncoderCase.named(name)
    expected = case.predicted(case.fitted)
    device: PretendedDevice = request.getfixturevalue("device")
    waits = list[int]()
    step = FitState.descend

    def watched(self: FitState, tokens: Sequence[Tensor], observed: Tensor) -> None:
        before = device.waits
        step(self, tokens, observed)
        waits.append(device.waits - before)

    monkeypatch.setattr(FitState, "descend", watched)
    # Keeps its state on the way too.
    monkeypatch.setattr("brainbench.fitting.fit_store._REST_S", -1.0)
    monkeypatch.setattr("brainbench.fitting.fit_store._REST_COSTS", -1.0)
    fitted = case.load().fit(ToyFeatures(), toy_responses(), FitContext(0, "cuda", folder=tmp_path))
    np.testing.assert_allclose(case.predicted(fitted), expected, atol=0.01)
    assert not any(tensor.is_cuda for tensor in fitted.parameters().values())
    aligned = fitted.aligned(ToyFeatures()) if isinstance(fitted, Aligning) else None
    if aligned is not None:
        assert np.isfinite(aligned.local_tokens(0, slice(3))).all()
    # The eigenvectors of alignedcut's terms are found with the host's help.
    assert name == "alignedcut" or not any(waits)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["factortopy", "gnetvit"])
def test_a_fit_on_a_gpu_goes_on_where_it_was_stopped(name: str, tmp_path: Path, device: PretendedDevice) -> None:
    def stop(done: int, total: int, figure: str) -> None:
        raise KeyboardInterrupt

    case = EncoderCase.named(name)
    with pytest.raises(KeyboardInterrupt, match="the fit is kept"):
        case.load().fit(ToyFeatures(), toy_responses(), FitContext(0, "cuda", stop, tmp_path))
    said = list[str]()
    context = FitContext(0, "cuda", folder=tmp_path, message=said.append)
    fitted = case.load().fit(ToyFeatures(), toy_responses(), context)
    assert "goes on from step 1 of" in said[0]
    whole = case.load().fit(ToyFeatures(), toy_responses(), FitContext(0, "cuda"))
    np.testing.assert_array_equal(case.predicted(fitted), case.predicted(whole))


@pytest.mark.parametrize(("memory", "held"), [(1 << 34, True), (20_000, False)])
def test_tokens_and_responses_are_held_on_the_device_if_they_fit(
    memory: int, held: bool, memory_features: MakeFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, responses = linear_problem(memory_features, images=300, repeats=2)
    with pretended_device(monkeypatch, memory) as device:
        data = load_training_data(features, responses, ("global",), device="cuda")
        # A third of the 500 trials' responses would fit beside the tokens.
        assert data.responses.read(data.val).is_cuda is held
        next(batches := data.batches(16, 0, "cuda"))
        waited = device.waits
        tokens, observed = next(batches)
        assert tokens[0].is_cuda
        assert observed.is_cuda
        assert device.waits == waited
        history = train(LinearModel(), data, QUICK, FitContext(0, "cuda")).history
    on_cpu = load_training_data(features, responses, ("global",))
    np.testing.assert_array_equal(data.observed(data.val).numpy(), on_cpu.observed(data.val).numpy())
    expected = train(LinearModel(), on_cpu, QUICK, FitContext(0, "cpu")).history
    assert history[-1]["val_r2"] == pytest.approx(expected[-1]["val_r2"], abs=1e-4)


class ModalModel(LinearModel):
    """With parts that do otherwise while they are trained."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout, self.norm = nn.Dropout(0.5), nn.BatchNorm1d(5)
        self.frozen = nn.Dropout(0.5).eval()
        self.evaluated = 0

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        self.evaluated += not self.training
        return super().forward([self.norm(self.dropout(self.frozen(tokens[0][:, -1])))[:, None]])


def test_only_steps_see_the_model_in_training_mode(memory_features: MakeFeatures) -> None:
    features, responses = linear_problem(memory_features)
    model = ModalModel()
    data = load_training_data(features, responses, ("global",))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fitted = fit_model(model, data, replace(QUICK, steps=6, epoch=2, keep=3), FitContext(0, "cpu"))
    assert model.evaluated >= 3
    assert (model.training, model.dropout.training, model.frozen.training) == (True, True, False)
    seen = model.norm.num_batches_tracked.clone()
    asked = np.arange(70)
    np.testing.assert_array_equal(fitted.predict(features, asked), fitted.predict(features, asked))
    assert torch.equal(model.norm.num_batches_tracked, seen)
    assert seen.dtype == torch.int64
    assert 1 <= int(seen) <= 6


def test_what_a_voxel_selects_is_computed_once_for_all_images(monkeypatch: pytest.MonkeyPatch) -> None:
    case = EncoderCase.named("factortopy")
    fitted = case.fitted
    assert isinstance(fitted, FittedModel)
    selectors = fitted.model.selectors
    calls = list[int]()
    monkeypatch.setattr(selectors, "forward", lambda: calls.append(1) or type(selectors).forward(selectors))
    fitted.predict(ToyFeatures(), np.tile(case.rows, 30))
    monkeypatch.setattr("brainbench.fitting.prediction._BLOCK_FIGURES", 18)
    fitted.predict(ToyFeatures(), case.rows)
    assert len(calls) == 2
