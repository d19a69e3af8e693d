"""Stable Diffusion for brainbench."""
