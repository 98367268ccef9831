"""Which intensities of volumes become black and white."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.base.fingerprints import file_stamp
from segqc.data.volumes.alignment import labels_upright
from segqc.data.volumes.files import read_volume
from segqc.data.volumes.find import VolumeFiles

_SAMPLE = 10_000  # voxels of each volume
_PERCENTILES = (0.5, 99.5)


def intensity_range(
    volumes: Sequence[VolumeFiles], looked_at: Iterable[VolumeFiles], kept_in: Path
) -> tuple[float, float]:
    """0.5th and 99.5th percentile of the labelled voxels of all volumes, which are sampled evenly.

    What is labelled is what has to be seen: over all voxels, air and bone take most of the range. nnU-Net clips CT to
    the same percentiles of the same voxels. Where nothing is labelled, all voxels count.

    Parameters
    ----------
    volumes : sequence of VolumeFiles
        One that cannot be read does not count.
    looked_at : iterable of VolumeFiles
        The same, one by one, for a progress bar.
    kept_in : Path
        JSON file that keeps the result for the same files.
    """
    stamps = [file_stamp(path) for volume in volumes for path in (volume.picture, volume.labels)]
    if kept_in.is_file() and (kept := read_json(kept_in)).get("stamps") == stamps:
        return kept["low"], kept["high"]
    samples = [_samples(volume) for volume in looked_at]
    labelled, whole = (np.concatenate([np.zeros(0), *(sample[kind] for sample in samples)]) for kind in (0, 1))
    values = labelled if labelled.size else whole
    ends = np.percentile(values, _PERCENTILES).tolist() if values.size else (0.0, 1.0)
    low, high = (float(f"{end:.6g}") for end in ends)
    high = high if high > low else low + 1.0
    write_json(kept_in, {"stamps": stamps, "low": low, "high": high})
    return low, high


def _samples(volume: VolumeFiles) -> tuple[np.ndarray, np.ndarray]:
    """Intensities of labelled and of all voxels, two float64 `[n]`; none where a file cannot be read, which is said
    when its slices are written.
    """
    try:
        picture = read_volume(volume.picture)
        labels, _ = labels_upright(read_volume(volume.labels), picture)
    except BadInput:
        return np.zeros(0), np.zeros(0)
    values = picture.frame.turned(picture.values)
    return _evenly(values[labels > 0]), _evenly(values.ravel())


def _evenly(values: np.ndarray) -> np.ndarray:
    chosen = values[:: max(1, len(values) // _SAMPLE)].astype(np.float64)
    return chosen[np.isfinite(chosen)]
