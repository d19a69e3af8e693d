"""The exceptions brainbench raises on purpose.

    BrainbenchError            shown by the command line as one line, exit code 2
    |-- UsageError             a name, setting or option that cannot be
    |-- DataError              the stimuli or responses somebody brought
    |-- WeightsError           a checkpoint that is missing or does not fit
    |-- StoreError             the cache or the results folder: full, read-only, damaged
    `-- PluginError            a plugin raised, or gave back something its contract does not allow

Anything else that escapes is a bug in brainbench and keeps its traceback. Inside a run, whatever a plugin
raises ends only its own jobs: the runner writes it into their records.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BrainbenchError(Exception):
    """Base of every error that brainbench raises on purpose."""


class UsageError(BrainbenchError):
    """What was asked for cannot be: an unknown name, setting or option."""


class DataError(BrainbenchError):
    """The stimuli, responses or tables somebody brought cannot be used."""


class WeightsError(BrainbenchError):
    """A checkpoint is missing, damaged or belongs to another network."""


class StoreError(BrainbenchError):
    """The cache or the results folder cannot be read or written."""


class PluginError(BrainbenchError):
    """A plugin raised, or returned something that its contract does not allow."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known name closest to ``name``, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
