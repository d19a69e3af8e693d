"""CLIP image encoders for brainbench."""
