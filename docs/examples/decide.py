"""From scores to decisions: calibrate on accepted predictions, then let the hook decide, write to a review folder, and
watch for drift.

    python docs/examples/decide.py MODEL PICTURE [OUT]

MODEL is a folder written by `segqc train`. In earnest the accepted scores come from an audit that somebody reviewed, by
`segqc calibrate --audit audit --accepted review.json`; here 200 noisy copies of one picture and mask stand for them.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import segqc
from segqc.calibration.fit import Evidence, fit_calibration
from segqc.calibration.storage import save_calibration
from segqc.model.folder import fingerprint

model_folder, picture, *rest = sys.argv[1:]
out = Path(rest[0] if rest else "decided")
photo = np.asarray(Image.open(picture).convert("RGB").resize((96, 72)))
rng = np.random.default_rng(0)


def noisy() -> np.ndarray:
    return np.clip(photo + rng.normal(0, 8, photo.shape), 0, 255).astype(np.uint8)


def segment(image: np.ndarray) -> np.ndarray:
    """A segmenter so simple that it is always wrong in the same way: foreground is what is brighter than the mean."""
    return (image.mean(2) > image.mean()).astype(np.uint8)


qc = segqc.load(model_folder)
scores = [qc(image, segment(image)).score for image in (noisy() for _ in range(200))]
evidence = Evidence(fingerprint(Path(model_folder)), scores, accepted=scores)
save_calibration(out / "calibration.json", fit_calibration(evidence))

qc = segqc.load(model_folder, calibration=out / "calibration.json")
with qc.attach(segment, policy=out / "review", window=100) as handle:
    for _ in range(100):
        handle(noisy())

print("\n".join(qc.calibration.statements()))
print(f"{dict(handle.decisions)} of {handle.counts.scored}; drifted: {handle.drift.drifted}; last: {handle.last[0]}")
print(f"Review folder: {out / 'review'}; next: segqc monitor {out / 'review'} --calibration {out / 'calibration.json'}")
