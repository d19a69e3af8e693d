"""Both contractions against Listing 1 written out in float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import oracle
import pytest
import torch
from torch import Tensor

from brainbench.fitting import Selection, read_out, read_out_loss, smooth_l1
from brainbench.fitting.readout import cpu, cuda, selection
from brainbench.fitting.readout.cells import locate


class Case(NamedTuple):
    tokens: Tensor
    selection: Selection
    channel: Tensor
    constant: Tensor
    observed: Tensor

    @property
    def inputs(self) -> list[Tensor]:
        return [self.tokens, *self.selection, self.channel, self.constant]


def case(layers: int, images: int, voxels: int, dim: int, grid: tuple[int, int], samples: int = 1) -> Case:
    generator = torch.Generator().manual_seed(layers * 100 + voxels)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    # A good part of the places lies outside the image.
    selection = Selection(draw(voxels, samples, 2) * 0.7, draw(voxels, layers).softmax(1), draw(voxels).sigmoid())
    tokens = draw(layers, images, grid[0] * grid[1] + 1, dim)
    return Case(tokens, selection, draw(voxels, dim), draw(voxels), draw(images, voxels))


def cast(given: Case, dtype: torch.dtype) -> Case:
    flat = [t.detach().to(dtype).requires_grad_() for t in given.inputs]
    return Case(flat[0], Selection(*flat[1:4]), flat[4], flat[5], given.observed.to(dtype))


CASES = [
    (3, 4, 50, 5, (8, 8), 1),
    (12, 8, 300, 16, (8, 8), 1),
    (1, 4, 11, 5, (8, 8), 1),
    (3, 1, 11, 5, (8, 8), 1),
    (3, 4, 1, 5, (8, 8), 1),
    (2, 3, 7, 1, (3, 5), 1),
    (2, 2, 4, 3, (1, 1), 1),
    (2, 3, 90, 16, (1, 2), 1),
    (3, 4, 60, 5, (4, 6), 3),
]
# (precision, tolerance of outputs, tolerance of gradients, both as a share of the largest)
PRECISIONS = [(torch.float64, 1e-12, 1e-11), (torch.float32, 1e-6, 1e-5)]


def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 16 readers, so that there are several in a cell."""
    monkeypatch.setattr(cpu, "_CHUNK", 1)


def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU's contraction, wherever it runs."""
    monkeypatch.setattr(selection, "grouped_read_out", cuda.block_read_out)
    monkeypatch.setattr(
        selection, "grouped_loss", lambda local, glob, reading, constant, observed:
        smooth_l1(cuda.block_read_out(local, glob, reading) + constant[:, None], observed),
    )  # fmt: skip


def on_a_small_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two blocks in one part."""
    on_a_gpu(monkeypatch)
    monkeypatch.setattr(cuda, "_PART", 1)


DEVICES = [on_the_cpu, on_a_gpu, on_a_small_gpu]


@pytest.fixture(params=DEVICES, ids=lambda device: device.__name__)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    request.param(monkeypatch)


def assert_near(measured: Tensor, expected: Tensor, tolerance: float, name: str) -> None:
    difference = (measured.double() - expected).abs().max()
    assert difference <= tolerance * expected.abs().max().clamp_min(1e-300), f"{name}: {difference:.2e}"


@pytest.mark.slow
@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(("dtype", "output", "gradient"), PRECISIONS)
@pytest.mark.parametrize("shape", CASES)
def test_responses_and_every_gradient(shape: Any, dtype: torch.dtype, output: float, gradient: float) -> None:
    given = case(*shape)
    weight = torch.randn(given.observed.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    truth, mine = cast(given, torch.float64), cast(given, dtype)
    expected = oracle.read_out(truth.tokens, shape[4], *truth.selection, truth.channel)
    measured = read_out(mine.tokens, shape[4], mine.selection, mine.channel)
    assert_near(measured, expected, output, "responses")
    compare(
        torch.autograd.grad((measured * weight.to(dtype)).sum(), mine.inputs[:-1]),
        torch.autograd.grad((expected * weight).sum(), truth.inputs[:-1]),
        gradient,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(("dtype", "output", "gradient"), PRECISIONS)
@pytest.mark.parametrize("shape", CASES)
def test_loss_and_every_gradient(shape: Any, dtype: torch.dtype, output: float, gradient: float) -> None:
    given = case(*shape)
    truth, mine = cast(given, torch.float64), cast(given, dtype)
    responses = oracle.read_out(truth.tokens, shape[4], *truth.selection, truth.channel) + truth.constant
    expected = oracle.smooth_l1(responses - truth.observed)
    measured = read_out_loss(mine.tokens, shape[4], mine.selection, mine.channel, mine.constant, mine.observed)
    assert_near(measured, expected, output, "loss")
    compare(torch.autograd.grad(measured * 3, mine.inputs), torch.autograd.grad(expected * 3, truth.inputs), gradient)


def compare(measured: Any, expected: Any, tolerance: float) -> None:
    names = ("tokens", "space", "layer", "scale", "channel", "constant")
    for name, mine, truth in zip(names, measured, expected, strict=False):
        assert_near(mine, truth, tolerance, name)


@pytest.mark.usefixtures("device")
def test_the_same_bytes_every_time() -> None:
    given = cast(case(3, 4, 300, 5, (8, 8)), torch.float32)

    def once() -> list[bytes]:
        loss = read_out_loss(given.tokens, (8, 8), given.selection, given.channel, given.constant, given.observed)
        return [t.detach().numpy().tobytes() for t in (loss, *torch.autograd.grad(loss, given.inputs))]

    assert once() == once()


@pytest.mark.usefixtures("device")
def test_a_place_that_is_not_a_number_makes_the_loss_nan_and_nothing_else() -> None:
    """An index made of it would end the process on a GPU, and every other job with it."""
    given = cast(case(3, 4, 50, 5, (8, 8)), torch.float32)
    given.selection.space.data[7] = torch.nan
    responses = read_out(given.tokens, (8, 8), given.selection, given.channel)
    assert responses.isnan().any(dim=0).nonzero().flatten().tolist() == [7]
    loss = read_out_loss(given.tokens, (8, 8), given.selection, given.channel, given.constant, given.observed)
    assert loss.isnan()
    loss.backward()


def test_all_voxels_at_one_place() -> None:
    """As every fit starts."""
    given = case(3, 4, 700, 5, (8, 8))
    given = given._replace(selection=given.selection._replace(space=torch.zeros(700, 1, 2, dtype=torch.float64)))
    truth, mine = cast(given, torch.float64), cast(given, torch.float64)
    expected = oracle.read_out(truth.tokens, (8, 8), *truth.selection, truth.channel)
    for contract in (cpu.grouped_read_out, cuda.block_read_out):
        local, glob = selection.bordered(mine.tokens, (8, 8))
        measured = contract(local, glob, selection._reading((8, 8), mine.selection, mine.channel))
        torch.testing.assert_close(measured.t(), expected)


def test_blocks_have_the_same_shape_wherever_voxels_read() -> None:
    one = torch.zeros(1000, dtype=torch.long)
    spread = torch.randint(0, 88, (1000,), generator=torch.Generator().manual_seed(0))
    for corner in (one, spread):
        slot, owner = cuda._blocks(corner, 100)
        assert len(owner) == 1000 // 64 + 100
        assert len(slot.unique()) == 1000
        assert (owner[slot // 64] == corner).all()


@pytest.mark.parametrize("moved", [-1.0, -0.5, 0.0, 0.5, 1.0])
def test_places_outside_the_image_hold_nothing(moved: float) -> None:
    corner, share = locate((4, 6), torch.tensor([[moved * 3, 0.1]]), torch.tensor([0.25]))
    rows = torch.stack([corner, corner + 1, corner + 8, corner + 9], dim=1)
    inside = (rows // 8 % 5 > 0) & (rows % 8 % 7 > 0)
    assert (share[:, :4] * inside).sum().item() == pytest.approx(0.75 if abs(moved) < 0.3 else 0, abs=1e-6)
    assert share.sum().item() == pytest.approx(1)


def test_space_is_x_then_y_downwards() -> None:
    tokens = torch.zeros(1, 1, 25, 1)
    tokens[0, 0, 5] = 1  # first row, sixth column of 4 x 6
    here = Selection(torch.tensor([[[5 / 6, -3 / 4]]]), torch.ones(1, 1), torch.zeros(1))
    assert read_out(tokens, (4, 6), here, torch.ones(1, 1)).item() == pytest.approx(1, abs=1e-6)


def test_scale_chooses_between_local_and_global() -> None:
    given = case(1, 2, 3, 4, (8, 8))
    only_global = read_out(
        given.tokens, (8, 8), given.selection._replace(scale=torch.ones(3, dtype=torch.float64)), given.channel
    )
    torch.testing.assert_close(only_global, given.tokens[0, :, -1] @ given.channel.t())
    only_local = given.selection._replace(scale=torch.zeros(3, dtype=torch.float64))
    other = given.tokens.clone()
    other[:, :, -1] += 7
    torch.testing.assert_close(
        read_out(other, (8, 8), only_local, given.channel), read_out(given.tokens, (8, 8), only_local, given.channel)
    )


def test_a_second_derivative_is_refused() -> None:
    given = cast(case(2, 2, 4, 3, (4, 4)), torch.float64)
    loss = read_out_loss(given.tokens, (4, 4), given.selection, given.channel, given.constant, given.observed)
    (gradient,) = torch.autograd.grad(loss, given.channel, create_graph=True)
    with pytest.raises(RuntimeError):  # torch's own, in words of its own
        gradient.sum().backward()
