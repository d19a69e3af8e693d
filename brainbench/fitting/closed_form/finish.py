"""The finish of a fit: tokens and responses of train and val, read once, and the channel weights that follow from the selectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from brainbench.backbones.checkpoints import state_sha256
from brainbench.errors import StoreError
from brainbench.fitting.blur import blurred
from brainbench.fitting.closed_form.channels import KeptChannels, principal_channels
from brainbench.fitting.closed_form.choice import fitted_on_train, some_voxels, worth_it
from brainbench.fitting.closed_form.penalties import Folds, image_folds
from brainbench.fitting.closed_form.places import place_shares
from brainbench.fitting.closed_form.solver import Problem, operations, solve
from brainbench.fitting.closed_form.surround import ALL_COMPONENTS, COMPONENTS, Surround, find_surround
from brainbench.fitting.closed_form.threads import one_thread
from brainbench.fitting.fit_state import Snapshot
from brainbench.fitting.fit_store import FitStore
from brainbench.fitting.readout.selection import Selection, read_out
from brainbench.fitting.token_reader import chunks
from brainbench.fitting.training_data import TrainingData
from brainbench.types import FitContext
from brainbench.util.hashing import digest
from brainbench.util.memory import budget

# How far a voxel's places may reach, as the sd of a Gaussian over the grid, in places.
WIDTHS = (0.0, 0.6, 1.2, 1.8)
# Voxels by which the width is chosen.
_SAMPLE = 32
# Operations that a solution may take with all channels, or, for each response, with some. See docs/decisions/020.
_ALL, _SOME_EACH = 4e12, 1e5
_KEPT = (1024, 768, 512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 4, 2, 1)
_TRIALS = 512
# Images that are enough to tell what images differ in.
_IMAGES = 1200

See = Callable[[Sequence[Tensor]], Sequence[Tensor]]


class ClosedReadOut(nn.Module):
    """What predicts: a read-out with the weights that were solved for.

    kept: channels of every layer, side by side, or None where layers are summed in their aligned channels; surround: k components
    of the whole image that are read beside them, if any are; grid: (H, W); weights: [V, sum of k_l + k], or [V, D]; constant:
    [V]; width: how far places reach, in places.
    """

    weights: Tensor
    constant: Tensor
    width: Tensor

    def __init__(
        self,
        kept: KeptChannels | None,
        surround: Surround | None,
        grid: tuple[int, int],
        weights: Tensor,
        constant: Tensor,
        width: Tensor,
    ) -> None:
        super().__init__()
        self.kept, self.surround, self.grid = kept, surround, grid
        self.register_buffer("weights", weights)
        self.register_buffer("constant", constant)
        self.register_buffer("width", width)

    @classmethod
    def shaped(
        cls, channels: Sequence[int], dim: int, grid: tuple[int, int], parameters: Mapping[str, Tensor], prefix: str
    ) -> ClosedReadOut:
        """One into which the state with these names, after ``prefix``, can be loaded; raises KeyError if it is not there.

        channels: C_l; dim: D, of the channel align.
        """
        own = [torch.empty_like(parameters[f"{prefix}{name}"]) for name in ("weights", "constant", "width")]
        bases = [parameters.get(f"{prefix}kept.basis_{layer}") for layer in range(len(channels))]
        kept = KeptChannels(channels, [None if b is None else torch.empty_like(b) for b in bases])
        surround = Surround.shaped(grid, len(channels), parameters, f"{prefix}surround.")
        places = own[0].shape[1] - (0 if surround is None else surround.components)
        return cls(kept if sum(kept.kept) == places else None, surround, grid, *own)

    def responses(self, tokens: Sequence[Tensor], align: See, selection: Selection) -> Tensor:
        """Per layer [B, P, C_l] -> standardised responses [B, V]; align: to per layer [B, P, D]."""
        width = float(self.width)
        if self.kept is None:
            aligned = blurred(torch.stack(list(align(tokens))), self.grid, width)
            return read_out(aligned, self.grid, selection, self.weights) + self.constant
        result = self.constant.expand(len(tokens[0]), -1)
        weights = self.weights
        if self.surround is not None:
            count = self.surround.components
            result = result + self.surround(tokens) @ weights[:, -count:].t()
            weights = weights[:, :-count]
        for number, own in enumerate(torch.split(weights, list(self.kept.kept), dim=1)):
            read = blurred(self.kept.layer(number, tokens[number])[None], self.grid, width)
            layer = selection._replace(layer=_deviations(selection.layer)[:, number : number + 1])
            result = result + read_out(read, self.grid, layer, own)
        return result


def close(
    data: TrainingData,
    channels: Sequence[int],
    grid: tuple[int, int],
    selection: Selection,
    context: FitContext,
    *,
    align: See,
    seen: See = lambda tokens: tokens,
    kept: int = 0,
    memory: float = 0.0,
) -> tuple[ClosedReadOut, tuple[str, ...]]:
    """Solve for the channel weights of all voxels, on train and val together; returns the read-out, and notes.

    Voxels read the layers' aligned channels, summed with the layer weights (equation 1); or the layers' own channels side by side,
    each layer times its weight, and the surround: if that, solved on train, misses val by enough less. How far places reach is
    chosen on val too.

    selection: what every voxel reads; align: tokens that were ``seen`` -> per layer [B, P, D], learned on train; seen: what is
    done to tokens before they are read; kept: principal channels kept of a layer, 0: as many as are affordable; memory: GB of
    tokens, as in ``load_training_data``. With a folder in ``context`` a stopped solution goes on where it was.
    """
    responses, images, trials = mean_responses(data)
    selection = Selection(*(t.detach().cpu() for t in selection))
    shares, folds = place_shares(grid, selection), image_folds(len(images), context.seed)

    def batches() -> Iterable[Sequence[Tensor]]:
        return (seen(data.tokens_of(part, context.device)) for part in chunks(images))

    places = int((shares != 0).sum(dim=1).max()) + 1
    # Three copies: the tokens, the same blurred, the same with the surround.
    most = budget(memory) / (12 * len(images) * (grid[0] * grid[1] + 1))

    def fits(width: int, beside: int) -> bool:
        primal, dual = operations(len(images), places, width + beside, folds)
        # Fewer channels make the dual form no cheaper.
        cheap = dual * data.voxels <= _ALL or primal <= _SOME_EACH * len(images)
        return cheap and width <= most

    everything = fits(sum(min(kept or c, c) for c in channels), min(ALL_COMPONENTS, len(images)))
    count = ALL_COMPONENTS if everything else COMPONENTS
    surround = _surround(data, images, grid, len(channels), seen, context.device, count)
    components = None if surround is None else torch.cat([surround(tokens) for tokens in batches()])
    beside = 0 if components is None else components.shape[1]
    wanted = kept or affordable(channels, lambda width: fits(width, beside))
    keep = principal_channels(channels, wanted, batches).to(context.device)
    aside = Problem(
        tokens=torch.cat([keep(tokens) for tokens in batches()]),
        kept=keep.kept,
        responses=responses,
        trials=trials,
        shares=shares,
        layer=_deviations(selection.layer),
        folds=folds,
    )
    aligned = [torch.cat(list(align(tokens)), dim=2) for tokens in batches()]
    dim = aligned[0].shape[2] // len(channels)
    summed = replace(aside, tokens=torch.cat(aligned), kept=(dim,) * len(channels), layer=selection.layer, summed=True)
    judge = fitted_on_train(images, data.stimulus[data.train])
    problem, width = _chosen(summed, aside, components, grid, judge)
    notes = []
    if problem.summed:
        surround = None
    elif wanted < max(channels):
        notes.append(f"channels in closed form: the {wanted} leading principal channels of every layer that has more")
    if width:
        notes.append(f"what voxels read reaches {width:g} places around, chosen on the val split")
    if surround is not None:
        notes.append(f"voxels also read {beside} components of the whole image, as the val split is predicted better")
    store = None
    if context.folder is not None:
        identity = [
            data.key,
            context.seed,
            context.device,
            wanted,
            width,
            problem.summed,
            _sha(problem.shares, selection.layer),
        ]
        store = FitStore(context.folder, digest([*identity, _sha(problem.tokens[:1])]))
    weights, constant = _solved(problem, store, context)
    if surround is not None:
        # The last place is the surround: its share goes into the weights.
        weights[:, -beside:] *= problem.shares[:, -1:].float()
        if data.voxels < beside:
            surround = surround.weighted(weights[:, -beside:].to(context.device))
            weights = torch.cat([weights[:, :-beside], torch.eye(data.voxels)], dim=1)
    own = (weights.to(context.device), constant.to(context.device), torch.tensor(width, device=context.device))
    return ClosedReadOut(None if problem.summed else keep, surround, grid, *own), tuple(notes)


def _deviations(layer: Tensor) -> Tensor:
    """What layers that are read side by side are multiplied by: their weights are the prior variances of what is read of them."""
    return layer.sqrt()


def _surround(
    data: TrainingData, images: np.ndarray, grid: tuple[int, int], layers: int, seen: See, device: str, most: int
) -> Surround | None:
    """The surround of these images, of at most ``most`` components; None without places around."""
    if grid == (1, 1):
        return None
    some = images[:: _every(len(images))]
    with one_thread():
        return find_surround(grid, layers, lambda number: seen([data.layer_of(number, some, device)])[0], most)


def _every(images: int) -> int:
    return max(1, -(-images // _IMAGES))


def affordable(channels: Sequence[int], fits: Callable[[int], bool]) -> int:
    """How many channels of a layer can be kept: all, if so many of all layers together ``fits``, else a round number."""
    sizes = [max(channels), *(k for k in _KEPT if k < max(channels))]
    return next((k for k in sizes if fits(sum(min(c, k) for c in channels))), sizes[-1])


def _chosen(
    summed: Problem, aside: Problem, components: Tensor | None, grid: tuple[int, int], judge: Folds
) -> tuple[Problem, float]:
    """The problem and the width whose solution on train misses val the least, in a sample of the voxels.

    Side by side has many times the weights and is dear to solve: it has to be worth that.
    """
    some = some_voxels(len(summed.shares), _SAMPLE)
    widths = WIDTHS if grid != (1, 1) else WIDTHS[:1]

    def missed(problem: Problem) -> float:
        sample = replace(
            problem,
            responses=problem.responses[:, some],
            shares=problem.shares[some],
            layer=problem.layer[some],
            folds=judge,
        )
        return float(solve(sample).missed.sum())

    found = {width: missed(_reaching(summed, grid, width)) for width in widths}
    width = min(found, key=lambda width: found[width])
    # How far places reach is about the tokens: the width that serves the one space serves the other.
    other = _reaching(aside, grid, width)
    if components is not None:
        other = _surrounded(other, components)
    return (other if worth_it(missed(other), found[width]) else _reaching(summed, grid, width)), width


def _reaching(problem: Problem, grid: tuple[int, int], width: float) -> Problem:
    return replace(problem, tokens=blurred(problem.tokens[None], grid, width)[0])


def _surrounded(problem: Problem, components: Tensor) -> Problem:
    """The same with the surround as one more layer at one more place, of which voxels read as much as of their own places."""
    images, places, width = problem.tokens.shape
    tokens = problem.tokens.new_zeros(images, places + 1, width + components.shape[1])
    tokens[:, :places, :width] = problem.tokens
    tokens[:, places, width:] = components
    share = (_power(problem) / components.double().cpu().var(dim=0, correction=0).sum()).sqrt()
    return replace(
        problem,
        tokens=tokens,
        kept=(*problem.kept, components.shape[1]),
        shares=torch.cat([problem.shares, share[:, None]], dim=1),
        layer=torch.cat([problem.layer, torch.ones_like(problem.layer[:, :1])], dim=1),
    )


def _power(problem: Problem) -> Tensor:
    """[V] float64: the mean square, over images, of what every voxel reads, about its mean."""
    result = torch.zeros(len(problem.shares), dtype=torch.float64)
    some = problem.tokens[:: _every(len(problem.tokens))]
    with one_thread():
        for layer, own in zip(problem.layer.t(), torch.split(some, list(problem.kept), dim=2), strict=True):
            flat = (own - own.mean(dim=0)).transpose(0, 1).flatten(1)
            alike = (flat @ flat.t()).double().cpu() / len(some)
            result += layer.double().square() * ((problem.shares @ alike) * problem.shares).sum(dim=1)
    return result.clamp_min(0)


def mean_responses(data: TrainingData) -> tuple[Tensor, np.ndarray, Tensor]:
    """Of every image of train and val: (the mean over its trials [n, V], its row [n], its number of trials [n] float64).

    On the CPU; images in ascending order.
    """
    rows = np.sort(np.concatenate([data.train, data.val]))
    images, shown, counts = np.unique(data.stimulus[rows], return_inverse=True, return_counts=True)
    result, trials = torch.zeros(len(images), data.voxels), torch.from_numpy(counts).double()
    for start in range(0, len(rows), _TRIALS):
        # Added on the CPU: on a GPU the order of additions, and so the last digits, would change from run to run.
        block = data.observed(rows[start : start + _TRIALS]).cpu()
        result.index_add_(0, torch.from_numpy(shown[start : start + _TRIALS]), block)
    return result / trials.to(result.dtype)[:, None], images, trials


def _solved(problem: Problem, store: FitStore | None, context: FitContext) -> tuple[Tensor, Tensor]:
    """(weights [V, p], constant [V]), kept in ``store`` on the way."""
    parts: dict[str, dict[str, Tensor]] = {}
    waiting: list[tuple[Tensor, Sequence[Tensor]]] = []
    voxels, count = len(problem.shares), 0

    def keep() -> None:
        if store is not None and waiting:
            columns = zip(*(found for _, found in waiting), strict=True)
            parts[f"channels-{len(parts)}"] = {
                "voxels": torch.cat([block for block, _ in waiting]),
                **{f"part_{number}": torch.cat(list(column)) for number, column in enumerate(columns)},
            }
            waiting.clear()
            store.save(Snapshot({}, parts))

    def ready(block: Tensor, found: Sequence[Tensor]) -> None:
        nonlocal count
        count += len(block)
        waiting.append((block, found))
        context.progress(count, voxels, f"channels of {count} of {voxels} voxels")
        if store is not None and store.due:
            keep()

    if store is not None:
        parts.update(_found(store, context))
    done = [(part["voxels"], [part[f"part_{number}"] for number in range(4)]) for part in parts.values()]
    count = sum(len(block) for block, _ in done)
    try:
        solution = solve(problem, done=done, ready=ready)
    except KeyboardInterrupt:
        keep()
        if store is None:
            raise
        raise KeyboardInterrupt(f"the fit is kept at {count} of {voxels} voxels") from None
    keep()
    return solution.weights, solution.constant


def _found(store: FitStore, context: FitContext) -> dict[str, dict[str, Tensor]]:
    try:
        found = store.load()
    except StoreError as reason:
        context.message(f"{reason}; the channels are solved for again")
        return {}
    return {} if found is None else {name: dict(part) for name, part in found.parts.items()}


def _sha(*tensors: Tensor) -> str:
    return state_sha256(nn.ParameterList([nn.Parameter(t, requires_grad=False) for t in tensors]))
