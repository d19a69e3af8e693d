"""Masked autoencoders for brainbench."""
