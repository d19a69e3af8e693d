"""Networks of torchvision for brainbench."""
