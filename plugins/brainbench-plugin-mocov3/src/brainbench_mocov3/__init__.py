"""Vision transformers trained by MoCo v3 for brainbench."""
