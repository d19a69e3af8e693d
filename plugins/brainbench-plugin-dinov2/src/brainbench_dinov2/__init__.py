"""DINOv2 for brainbench."""
