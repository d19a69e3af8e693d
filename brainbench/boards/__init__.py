"""Records -> boards on disk, with the metrics that are computed from records and not stored in them."""

from brainbench.boards.choice import Asked, installed_computed
from brainbench.boards.files import board_files

__all__ = ["Asked", "board_files", "installed_computed"]
