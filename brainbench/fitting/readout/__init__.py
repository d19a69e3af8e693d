"""The read-out: every voxel's own mixture of tokens (equation 1), one contraction for each kind of device."""

from __future__ import annotations

from brainbench.fitting.readout.selection import Selection, read_out, read_out_loss

__all__ = ["Selection", "read_out", "read_out_loss"]
