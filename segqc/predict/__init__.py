"""`segqc predict`: masks of a folder of pictures from torchvision's segmentation models."""
