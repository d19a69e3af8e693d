"""The control backbones."""
