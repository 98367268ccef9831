"""Segmentation metrics and measures of how well a score finds failures."""
