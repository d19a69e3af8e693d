"""The facts about the built-in engine; light to import."""

from __future__ import annotations

from brainbench import EngineCard, lazy

LOCAL = EngineCard(
    name="local",
    loader=lazy("brainbench.builtin.engines.local:load"),
    summary="processes of this machine, which share its cores; with GPUs, each process has one to itself",
    default=True,
    here=True,
)
