"""Jobs -> records: the only package that joins the stages."""

from brainbench.plugins import BlamedError
from brainbench.results.arrays import stored_inputs
from brainbench.runner.features import FeatureReader, load_backbone
from brainbench.runner.jobs import Run, exit_code, score_all

__all__ = ["BlamedError", "FeatureReader", "Run", "exit_code", "load_backbone", "score_all", "stored_inputs"]
