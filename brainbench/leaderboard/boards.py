"""Records -> boards on disk, with the metrics that are computed from records and not stored in them."""

from brainbench.leaderboard.files import board_files
from brainbench.leaderboard.shown_metrics import Asked, installed_computed

__all__ = ["Asked", "board_files", "installed_computed"]
