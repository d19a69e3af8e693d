"""Dataset ``nsd``: the Natural Scenes Dataset as it is downloaded, single trials or averages over repeats."""
