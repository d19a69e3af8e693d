"""The solver: every voxel's ridge, in blocks of voxels that need not wait for one another.

n images, P places, L layers, p kept channels of all layers side by side, V voxels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from brainbench.fitting.closed_form.dual import solve_dual
from brainbench.fitting.closed_form.moments import cross, moments
from brainbench.fitting.closed_form.penalties import PENALTIES, Folds
from brainbench.fitting.closed_form.places import Group, groups
from brainbench.fitting.closed_form.primal import Ridge, Sums, solve_primal
from brainbench.fitting.closed_form.threads import one_thread

# Figures of the Gram matrices of one block: 64 MB of float32.
_FIGURES = 1 << 24
# Penalties that are tried for a voxel, of all, on average: a little more than half.
_TRIED = 8
# Operations up to which float64 is affordable: about two minutes of one core.
_DOUBLE = 1e12


@dataclass(frozen=True)
class Problem:
    """Least squares for many voxels.

    tokens: [n, P, p] float32, kept channels of all layers side by side, on the device that is to compute; all else is on the
    CPU; kept: k_l, whose sum is p; responses: [n, V], mean over each image's trials, standardised; trials: [n] float64; shares:
    s, [V, P] float64; layer: w, [V, L]; folds: of images; summed: layers, which then have as many channels each, are added up
    with their weights (equation 1), and a voxel has one weight a channel for all of them, instead of side by side.
    """

    tokens: Tensor
    kept: Sequence[int]
    responses: Tensor
    trials: Tensor
    shares: Tensor
    layer: Tensor
    folds: Folds
    summed: bool = False

    @property
    def width(self) -> int:
        """How many weights a voxel has."""
        return self.kept[0] if self.summed else self.tokens.shape[2]


@dataclass(frozen=True)
class Solution:
    """What was found, on the CPU.

    weights: [V, p], of what is read with the layer weights in it; constant: [V]; penalty: [V], which of ``PENALTIES``;
    missed: [V], the squared error over the trials that were held out.
    """

    weights: Tensor
    constant: Tensor
    penalty: Tensor
    missed: Tensor

    @classmethod
    def empty(cls, voxels: int, channels: int) -> Solution:
        """Nothing solved yet."""
        return cls(
            torch.zeros(voxels, channels),
            torch.zeros(voxels),
            torch.zeros(voxels, dtype=torch.int64),
            torch.zeros(voxels),
        )

    def parts(self) -> tuple[Tensor, ...]:
        """Weights, constant, penalty, missed."""
        return self.weights, self.constant, self.penalty, self.missed


def operations(images: int, places: int, channels: int, folds: Folds) -> tuple[float, float]:
    """About how many multiplications and additions a voxel takes, (primal, dual), once the moments are there."""
    factorised = channels**3 / 3 + 4 * channels**2
    pairs = places * (places + 1) / 2
    primal = (folds.judged * _TRIED + 1) * factorised + 2 * (folds.judged + 1) * pairs * channels**2
    held = images / max(1, int(folds.fold.max()) + 1)
    dual = images**2 * channels * 2 + 10 * images**3 + folds.judged * len(PENALTIES) * 2 * held**2 * (images + held)
    return primal, dual


def solve(
    problem: Problem,
    *,
    done: Sequence[tuple[Tensor, Sequence[Tensor]]] = (),
    ready: Callable[[Tensor, Sequence[Tensor]], None] = lambda voxels, parts: None,
) -> Solution:
    """Solve for all voxels, primal or dual, whichever takes less.

    done: (voxels, their parts of the solution) that were had before; ready: told each block as it is solved, in order. The
    same bytes with any number of threads, and whatever was done before.
    """
    images, channels = problem.tokens.shape[0], problem.width
    voxels = len(problem.shares)
    widest = int((problem.shares != 0).sum(dim=1).max())
    primal, dual = (0.0, 1.0) if problem.summed else operations(images, widest, channels, problem.folds)
    dtype = torch.float64 if min(primal, dual) * voxels <= _DOUBLE else torch.float32
    result, solved = Solution.empty(voxels, channels), torch.zeros(voxels, dtype=torch.bool)
    for rows, parts in done:
        solved[rows] = True
        for whole, part in zip(result.parts(), parts, strict=True):
            whole[rows] = part
    each = max((problem.folds.judged + 1) * channels**2, images * channels)
    largest = max(1, _FIGURES // each) if primal <= dual else 1
    blocks = list(groups(problem.shares, largest))
    with _one_thread_each(problem.tokens.device) as over:
        from_images = _summed if problem.summed else _dual
        form = _primal(problem, blocks, dtype) if primal <= dual and not problem.summed else from_images(problem, dtype)
        # A block is solved whole or not at all, so that its bytes do not depend on where a fit was stopped.
        missing = [group for group in blocks if not bool(solved[group.voxels].all())]
        for group, found in zip(missing, over(form, missing), strict=True):
            loss = found.loss.gather(1, found.penalty[:, None])[:, 0]
            parts = [found.weights, found.constant, found.penalty, loss]
            parts = [p.cpu().to(whole.dtype) for p, whole in zip(parts, result.parts(), strict=True)]
            for whole, part in zip(result.parts(), parts, strict=True):
                whole[group.voxels] = part
            ready(group.voxels, parts)
    return result


def _primal(problem: Problem, blocks: Sequence[Group], dtype: torch.dtype) -> Callable[[Group], Ridge]:
    device = problem.tokens.device
    # The judged folds are sets of their own; images of all the others are one more.
    sets = problem.folds.fold.clamp_max(problem.folds.judged)
    known = moments(problem.tokens, problem.trials, sets, blocks, dtype)
    penalties, trials = torch.tensor(PENALTIES, dtype=dtype, device=device), problem.trials.to(device, dtype)

    def block(group: Group) -> Ridge:
        shares = problem.shares[group.voxels][:, group.places].to(device)
        scale = _by_channel(problem, group.voxels, dtype)
        y = problem.responses[:, group.voxels].to(device, dtype)
        gram, reads = known.grams(group, shares)
        gram = gram * scale[:, :, None] * scale[:, None, :]
        weighted = trials[:, None] * y
        crossed = cross(problem.tokens, weighted, sets, known.origin, group, shares) * scale
        total, squares = (_by_set(t, sets, len(gram)) for t in (weighted, weighted * y))
        sums = Sums(gram, reads * scale, crossed, total, squares, known.trials.to(dtype))
        found = solve_primal(sums, problem.folds.judged, penalties)
        origin = (shares.to(dtype) @ known.origin[group.places.to(device)]) * scale
        return found._replace(constant=found.constant - (found.weights * origin).sum(dim=1))

    return block


def _summed(problem: Problem, dtype: torch.dtype) -> Callable[[Group], Ridge]:
    """By normal equations of what is read, image by image: few channels need no moments between places and layers."""
    device = problem.tokens.device
    sets = problem.folds.fold.clamp_max(problem.folds.judged)
    penalties, trials = torch.tensor(PENALTIES, dtype=dtype, device=device), problem.trials.to(device, dtype)
    images, _, _ = problem.tokens.shape
    layers, width = len(problem.kept), problem.width

    def block(group: Group) -> Ridge:
        shares = problem.shares[group.voxels][:, group.places]
        mixed = shares[:, :, None] * problem.layer[group.voxels].double()[:, None, :]
        tokens = problem.tokens[:, group.places.to(device)].to(dtype).view(images, -1, layers, width)
        table = tokens.permute(1, 2, 0, 3).reshape(-1, images * width)
        read = (mixed.flatten(1).to(device, dtype) @ table).view(-1, images, width)
        y = problem.responses[:, group.voxels].to(device, dtype)
        sums = _sums(read, y, trials, sets, problem.folds.judged + 1)
        return solve_primal(sums, problem.folds.judged, penalties)

    return block


def _sums(read: Tensor, y: Tensor, trials: Tensor, sets: Tensor, count: int) -> Sums:
    """Of what is read, [m, n, p], and of the responses, [n, m], over the images of each set."""
    found = []
    for number in range(count):
        rows = (sets == number).nonzero()[:, 0].to(read.device)
        x, c, response = read[:, rows], trials[rows], y[rows].t()
        weighted = x * c[:, None]
        found.append(
            Sums(
                weighted.transpose(1, 2) @ x,
                weighted.sum(dim=1),
                torch.bmm(response[:, None, :], weighted)[:, 0],
                response @ c,
                response.square() @ c,
                c.sum(),
            )
        )
    return Sums(*(torch.stack(parts) for parts in zip(*found, strict=True)))


def _by_set(values: Tensor, sets: Tensor, count: int) -> Tensor:
    """[n, m] -> sums over the images of each set, [S, m]."""
    return torch.stack([values[(sets == number).to(values.device)].sum(dim=0) for number in range(count)])


def _dual(problem: Problem, dtype: torch.dtype) -> Callable[[Group], Ridge]:
    device = problem.tokens.device
    penalties, trials = torch.tensor(PENALTIES, dtype=dtype, device=device), problem.trials.to(device, dtype)

    def block(group: Group) -> Ridge:
        share = problem.shares[group.voxels][0, group.places].to(device, dtype)
        read = torch.zeros(problem.tokens.shape[0], problem.tokens.shape[2], dtype=dtype, device=device)
        for place, s in zip(group.places.tolist(), share, strict=True):
            read += s * problem.tokens[:, place]
        read *= _by_channel(problem, group.voxels, dtype)
        y = problem.responses[:, group.voxels][:, 0].to(device, dtype)
        return solve_dual(read, y, trials, problem.folds, penalties)

    return block


def _by_channel(problem: Problem, voxels: Tensor, dtype: torch.dtype) -> Tensor:
    """The layer weights, repeated for the channels of each layer, [m, p]."""
    each = torch.tensor(problem.kept)
    return problem.layer[voxels].to(dtype).repeat_interleave(each, dim=1).to(problem.tokens.device)


@contextmanager
def _one_thread_each(device: torch.device) -> Iterator[Callable[..., Iterator[Ridge]]]:
    """A ``map`` over blocks, as many at once as torch has threads, each with one.

    How blocks are spread over threads does not change a digit.
    """
    if device.type != "cpu" or torch.get_num_threads() == 1:
        yield map
        return
    with one_thread() as threads, ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield lambda block, groups: _ahead(pool, block, groups, 2 * threads)


def _ahead(
    pool: ThreadPoolExecutor, block: Callable[[Group], Ridge], groups: Sequence[Group], most: int
) -> Iterator[Ridge]:
    """Results in order, with no more than ``most`` blocks under way."""
    under_way = [pool.submit(block, group) for group in groups[:most]]
    for number in range(len(groups)):
        yield under_way.pop(0).result()
        if number + most < len(groups):
            under_way.append(pool.submit(block, groups[number + most]))
