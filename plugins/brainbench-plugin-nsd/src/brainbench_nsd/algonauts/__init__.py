"""Dataset ``algonauts2023``: NSD as the Algonauts Project released it in 2023, on the surface, averaged over repeats."""
