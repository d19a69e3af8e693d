"""The Natural Scenes Dataset, as such and as the Algonauts Project released it in 2023, for brainbench."""
