"""Vision transformers trained on ImageNet for brainbench."""
