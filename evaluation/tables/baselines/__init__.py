"""Detectors that the one on trial has to beat on tables; see `evaluation.tables.baselines.base`."""
