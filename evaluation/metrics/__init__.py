"""Dice and surface distances, per class and image."""
