"""The stages of a run, one module per noun; they never import each other and meet in brainbench.types."""
