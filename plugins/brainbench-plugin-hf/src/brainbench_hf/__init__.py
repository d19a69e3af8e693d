"""Networks of transformers for brainbench."""
