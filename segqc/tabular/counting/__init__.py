"""Counting: context trees, bins and tails of numbers, values that occur together."""
