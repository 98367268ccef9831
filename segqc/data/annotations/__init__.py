"""Annotation files that hold many pictures' objects as polygons or runs, drawn as masks: one reader for each format."""
