"""One score per pair, with the place in the picture: what the audit writes and what `segqc.load(folder)` gives a
pipeline.

qc = segqc.load(folder)
qc(image, mask)          a Verdict, or a list of them: the score, what the calibration makes of it, the worst region
qc.attach(model)         the same for every mask that a segmentation model predicts
qc.score(images, masks)  a list of Score: the parts that the score is made of
"""

from segqc.quality_control.control import QualityControl, load

__all__ = ["QualityControl", "load"]
