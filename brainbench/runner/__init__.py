"""Jobs -> records: the only package that joins the stages."""

from brainbench.runner.blame import JobError
from brainbench.runner.features import FeatureReader, load_backbone
from brainbench.runner.jobs import Run, exit_code, score_all, stored_inputs

__all__ = ["FeatureReader", "JobError", "Run", "exit_code", "load_backbone", "score_all", "stored_inputs"]
