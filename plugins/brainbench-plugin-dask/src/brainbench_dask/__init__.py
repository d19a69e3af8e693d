"""Dask as an engine for brainbench, by distributed."""
