"""Quality control of segmentation masks without ground truth."""

__version__ = "0.1.0"
