"""Convolutional Deep SVDD (Ruff et al. 2018)."""
