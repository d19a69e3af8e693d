"""What the axes of a submodule's output mean: which of its tokens are places of the image, and on which grid.

A shape alone does not tell: [B, 56, 56, 96] may have its channels last, [B, 57, C] may be a class token and 7 x 8 patches. So
regions of an image are changed, one after the other, and the reading is the one in which tokens answer to changes at their place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from brainbench.errors import UsageError
from brainbench.types import Tokens

MOST_EXTRA_TOKENS = 20  # before and after the patches together: class token, registers, detection tokens, prompts
REGIONS = 16
_KNOWN = 0.5  # correlation of changes and answers above which a reading is seen and not merely possible
_TIE = 0.02  # correlations closer than this do not tell two readings apart
_MARGIN = 0.1  # by how much another grid has to be better than the usual one: crops of a grid answer nearly like it
_NAMED = re.compile(r"(?:^|[._])(cls|class|dist\w*|reg(?:ister)?s?)(?:_?(?:token|tokens|embedding|embed))(?:$|[._])")
_WRITTEN = re.compile(r"(?:(\d+)\+)?(\d+)x(\d+)(?:\+(\d+))?")


@dataclass(frozen=True)
class OutputLayout:
    """How an output is read. text: as a user writes it.

    channels: the axis of the channels; prefix, suffix: tokens before and after the patches; grid: (H, W) of the patches of a
    sequence, None for a map, which has axes of its own.
    """

    channels: int
    grid: tuple[int, int] | None = None
    prefix: int = 0
    suffix: int = 0

    @property
    def text(self) -> str:
        """``BCHW``, ``BHWC``, or ``1+14x14+4`` for one token, 14 x 14 patches and four tokens more."""
        if self.grid is None:
            return {1: "BCHW", 3: "BHWC"}[self.channels]
        before, after = f"{self.prefix}+" * bool(self.prefix), f"+{self.suffix}" * bool(self.suffix)
        return f"{before}{self.grid[0]}x{self.grid[1]}{after}{', channels first' * (self.channels == 1)}"

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an output of this shape can be read so."""
        if self.grid is None:
            return len(shape) == 4
        return len(shape) == 3 and shape[3 - self.channels] == self.prefix + math.prod(self.grid) + self.suffix

    def tokens(self, output: Tensor) -> Tokens:
        """Of one layer. The global token is the first of the prefix, or without one the average over space."""
        if self.grid is None:
            return Tokens.from_local([output if self.channels == 1 else output.permute(0, 3, 1, 2)])
        sequence = output if self.channels == 2 else output.transpose(1, 2)
        return Tokens.from_sequences([sequence[:, : self.prefix + math.prod(self.grid)]], self.grid)


def written(text: str, name: str) -> OutputLayout:
    """The layout that a user names: ``BCHW``, ``BHWC`` or ``1+14x14+4``; raises UsageError, naming the layer, for another text."""
    if text in ("BCHW", "BHWC"):
        return OutputLayout(1 if text == "BCHW" else 3)
    found = _WRITTEN.fullmatch(text)
    if not found:
        raise UsageError(
            f"layer {name}: layout {text!r}; allowed are BCHW, BHWC, and a sequence such as 14x14 or 1+14x14+4 (tokens "
            "before the patches, the patches' grid, tokens after)"
        )
    prefix, height, width, suffix = (int(number or 0) for number in found.groups())
    return OutputLayout(2, (height, width), prefix, suffix)


def needs_probe(shape: Sequence[int], image: tuple[int, int]) -> bool:
    """Whether an output of this shape has to be probed: it is a sequence, or a map whose channels may be first or last."""
    return len(shape) == 3 or (len(shape) == 4 and not _alike(shape[2:], image)) or _both(shape, image)


def _both(shape: Sequence[int], image: tuple[int, int]) -> bool:
    return len(shape) == 4 and _alike(shape[1:3], image) and _alike(shape[2:], image)


def _alike(grid: Sequence[int], image: tuple[int, int]) -> bool:
    """Whether a grid has about the aspect of the image; borders of convolutions take some places away."""
    return abs(grid[0] * image[1] - grid[1] * image[0]) <= 2 * max(image)


def regions(image: tuple[int, int]) -> Tensor:
    """[16, H, W] bool: the regions of an image of (H, W) that are changed, a third of either side long."""
    height, width = image
    places = torch.rand(REGIONS, 2, generator=torch.Generator().manual_seed(0))
    found = torch.zeros(REGIONS, height, width, dtype=torch.bool)
    for region, (down, right) in zip(found, places.tolist(), strict=True):
        high, wide = max(1, height // 3), max(1, width // 3)
        top, left = round(down * (height - high)), round(right * (width - wide))
        region[top : top + high, left : left + wide] = True
    return found


def find_layout(
    outputs: Tensor, image: tuple[int, int], name: str, module: nn.Module, known: Iterable[OutputLayout] = ()
) -> OutputLayout:
    """The layout of one output.

    outputs: [17, ...], of a picture and of the same picture with one of ``regions`` changed. known: of the layers before, which a
    deep layer that mixes places may be read like. Raises UsageError, naming the layer and the readings that remain.
    """
    scored = _scores(outputs.float(), image)
    if not scored:
        raise UsageError(
            f"layer {name}: gives {_shape(outputs)}, expected patches of a grid and up to {MOST_EXTRA_TOKENS} tokens more; "
            "name another submodule"
        )
    usual = next(iter(scored))
    best = max(scored, key=lambda one: scored[one])
    shifted = max((one for one in scored if one.grid == usual.grid), key=lambda one: scored[one])
    if scored[best] - scored[shifted] < _MARGIN:
        best = shifted
    close = [one for one in scored if one.grid == best.grid and scored[one] >= scored[best] - _TIE]
    shared = [one for one in known if one in scored and (one in close or scored[best] < _KNOWN)]
    if shared:
        return shared[-1]
    if scored[best] >= _KNOWN:
        if usual in close:
            return usual
        if len(close) == 1:
            return best
    elif usual.suffix == 0 and usual.channels != 3 and _explained(usual.prefix, outputs, module):
        return usual
    told = " or ".join(one.text for one in [*close, usual][:3]) if scored[best] >= _KNOWN else usual.text
    raise UsageError(
        f"layer {name}: gives {_shape(outputs)}, and nothing tells which of it are places of the image "
        f"({told}?); say so with layout={{{name!r}: ...}}: BCHW, BHWC, or a sequence such as 14x14 or 1+14x14+4"
    )


def _shape(outputs: Tensor) -> str:
    return f"[B, {', '.join(map(str, outputs.shape[1:]))}]"


def _candidates(shape: Sequence[int], image: tuple[int, int]) -> Iterator[OutputLayout]:
    """Possible readings of an output without its batch axis, the usual ones first."""
    if len(shape) == 3:
        either = [OutputLayout(1), OutputLayout(3)]
        yield from sorted(either, key=lambda one: not _alike(shape[1:] if one.channels == 1 else shape[:2], image))
    if len(shape) != 2:  # of three axes, or of a form that nothing here reads
        return
    found = [
        OutputLayout(channels, (height, places // height), prefix, extra - prefix)
        for channels in (2, 1)
        for extra in range(min(MOST_EXTRA_TOKENS, shape[2 - channels] - 1) + 1)
        for places in (shape[2 - channels] - extra,)
        for height in range(1, places + 1)
        if places % height == 0
        and places >= max(4, extra)
        and 0.4 <= height * image[1] / (places / height * image[0]) <= 2.5
        for prefix in range(extra, -1, -1)
    ]
    yield from sorted(found, key=lambda one: _unusual(one, image))


def _unusual(one: OutputLayout, image: tuple[int, int]) -> tuple[float, ...]:
    height, width = one.grid or (1, 1)
    return one.channels == 1, height * image[1] != width * image[0], one.suffix, one.prefix


def _scores(outputs: Tensor, image: tuple[int, int]) -> dict[OutputLayout, float]:
    """The correlation of changes and answers, over regions and places, for every possible reading; the usual ones first.

    The answers of a token are standardized over the regions, so that loud tokens count no more than others, and what all places
    answer alike is left out, since it tells nothing of places.
    """
    changed = regions(image)[:, None].to(outputs)
    found, pooled, answers = {}, dict[tuple[int, int], Tensor](), dict[int, Tensor]()
    for one in _candidates(outputs.shape[1:], image):
        axis = one.channels
        if axis not in answers:
            answers[axis] = _standard((outputs[1:] - outputs[:1]).square().mean(dim=axis).sqrt().flatten(1))
        height, width = (
            (size for at, size in enumerate(outputs.shape) if at not in (0, axis)) if one.grid is None else one.grid
        )
        grid = (height, width)
        if grid not in pooled:
            pooled[grid] = _local(_standard(nn.functional.adaptive_avg_pool2d(changed, grid).flatten(1)))
        places = _local(answers[axis][:, one.prefix : one.prefix + math.prod(grid)])
        found[one] = float((places * pooled[grid]).sum() / (places.norm() * pooled[grid].norm() + 1e-9))
    return found


def _standard(values: Tensor) -> Tensor:
    spread = values.std(dim=0, correction=0)
    return torch.where(spread > 1e-6 * values.abs().max(), (values - values.mean(dim=0)) / (spread + 1e-12), 0.0)


def _local(values: Tensor) -> Tensor:
    return values - values.mean(dim=1, keepdim=True)


def _explained(prefix: int, outputs: Tensor, module: nn.Module) -> bool:
    """Whether so many tokens before the patches are usual, or parameters of class tokens and registers add up to them."""
    channels = outputs.shape[2]
    named = [p for name, p in module.named_parameters() if _NAMED.search(name) and p.shape[-1] == channels]
    return prefix <= 1 or prefix == sum(math.prod(p.shape[:-1]) for p in named)
