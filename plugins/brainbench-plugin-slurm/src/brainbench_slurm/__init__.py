"""SLURM as an engine for brainbench, by submitit."""
