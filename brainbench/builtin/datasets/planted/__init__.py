"""The planted dataset: brains that really do read the tokens of a network, through selectors that are known."""
