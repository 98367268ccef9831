"""Anomalies in tables of categories and numbers, with the noise and the losses of the masks."""

from segqc.tabular.detector import GumbelScoreDetector

__all__ = ["GumbelScoreDetector"]
