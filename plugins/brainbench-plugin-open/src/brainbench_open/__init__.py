"""Measured brains that need no form, for brainbench."""
