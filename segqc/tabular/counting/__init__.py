"""Counting: trees and forests that predict cells, bins of numbers."""
