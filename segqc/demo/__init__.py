"""`segqc demo`: renders scenes, trains a segmenter that sometimes fails and a quality model, and audits the
predictions. It needs neither data nor network.
"""
