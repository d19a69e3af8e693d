"""The exceptions brainbench raises on purpose.

    BrainbenchError            the command line prints it on one line and exits with code 2
    |-- UsageError             an unknown or invalid name, setting or option
    |-- DataError              the user's stimuli or responses are invalid
    |-- WeightsError           a checkpoint is missing, or does not fit its network
    |-- StoreError             the cache or the results folder is full, read-only or damaged
    `-- PluginError            a plugin raised, or returned something that its contract does not allow

Any other exception that escapes is a bug in brainbench and keeps its traceback. During a run, an exception in a
plugin ends only that plugin's jobs, and the runner writes it to their records.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BrainbenchError(Exception):
    """Base of every error that brainbench raises on purpose."""


class UsageError(BrainbenchError):
    """A name, setting or option is unknown or invalid."""


class DataError(BrainbenchError):
    """The user's stimuli, responses or tables cannot be used."""


class WeightsError(BrainbenchError):
    """A checkpoint is missing, damaged or belongs to another network."""


class StoreError(BrainbenchError):
    """The cache or the results folder cannot be read or written."""


class PluginError(BrainbenchError):
    """A plugin raised, or returned something that its contract does not allow."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known name closest to ``name``, or an empty string if none is close."""
    folded = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""
