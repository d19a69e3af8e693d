"""EfficientNet-Lite, trained on ImageNet, for brainbench."""
