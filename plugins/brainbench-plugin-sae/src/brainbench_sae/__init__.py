"""Sparse autoencoders of a network's layers, and which of their units each voxel reads (SAE-BrainMap)."""
