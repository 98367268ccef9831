"""Scores that a QC method has to beat; see `evaluation.baselines.base`."""
