"""Networks of timm for brainbench."""
