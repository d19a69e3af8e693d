"""The cards of the Natural Scenes Dataset. Light: what reads the files is in the other modules."""

from __future__ import annotations

from brainbench import DatasetCard, hookimpl
from brainbench_nsd.algonauts.card import ALGONAUTS2023
from brainbench_nsd.nsd.card import NSD


@hookimpl
def register_datasets() -> list[DatasetCard]:
    """NSD and its Algonauts release."""
    return [ALGONAUTS2023, NSD]
