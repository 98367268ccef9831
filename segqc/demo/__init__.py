"""The whole story without data or network: rendered scenes, a segmenter that sometimes fails, and an audit that finds
where.
"""
