"""What every encoder that is fitted by gradient descent is: a differentiable map from tokens to responses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from brainbench.fitting.channel_align import ChannelAlign
from brainbench.fitting.losses import smooth_l1


class EncoderModel(nn.Module, ABC):
    """A differentiable map from tokens to standardised responses.

    voxels: V; dim: D. All that a fit changes is in the ``state_dict``, or a fit could not go on after it was stopped. A
    submodule named ``selectors`` learns at a rate of its own (``Recipe.selector_lr``).
    """

    def __init__(self, voxels: int, dim: int) -> None:
        super().__init__()
        self.voxels, self.dim = voxels, dim

    @abstractmethod
    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, P, C_l] float32 -> standardised responses to these B images, [B, V].

        B is up to 64 here. Nothing of B x V x D may be kept on the way: V is hundreds of thousands for a whole brain.
        """

    def predictor(self) -> Callable[[Sequence[Tensor]], Tensor]:
        """``forward`` for the model as it is now, called for one block of images after another.

        Override it to compute once what does not depend on the tokens.
        """
        return self

    @property
    def channel_align(self) -> ChannelAlign | None:
        """What brings the tokens of every layer to the same D channels: the submodule named ``align``; None without one."""
        align = self._modules.get("align")
        return align if isinstance(align, ChannelAlign) else None

    def loss(self, tokens: Sequence[Tensor], observed: Tensor, penalty: float, blur: float = 0.0) -> Tensor:
        """What a step descends: the smooth L1 loss against ``observed`` [B, V], a scalar.

        penalty: weight of the model's own penalty term at this step; blur: how far it is to blur local tokens, in places, at
        this step, if it selects among them. Override it for a model that has either, or that can give the loss for less
        than its responses cost.
        """
        return smooth_l1(self(tokens), observed)
