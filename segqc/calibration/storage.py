"""A calibration on disk, and whether it belongs to the model, noise levels and tiles that are about to score."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.base.settings import from_json, to_json
from segqc.calibration.calibration import CALIBRATION_FORMAT, Calibration

CALIBRATION = "calibration.json"


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration as JSON."""
    write_json(path, to_json(calibration))


def load_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Raises
    ------
    BadInput
        The file is missing, damaged, or of another format.
    """
    content = read_json(path)
    try:
        if not isinstance(content, dict) or content.get("format") != CALIBRATION_FORMAT:
            raise ValueError(f"is not a calibration: it lacks the format {CALIBRATION_FORMAT!r}")
        return from_json(Calibration, content, "calibration")
    except (ValueError, TypeError) as error:
        raise BadInput(path, str(error), "make it again with `segqc calibrate`") from error


def check_fits(
    calibration: Calibration,
    path: Path | str,
    model: str,
    levels: Sequence[int] | None,
    default: Sequence[int],
    tiles: int = 1,
) -> None:
    """Refuse a calibration that was fitted on other scores.

    Parameters
    ----------
    calibration : Calibration
    path : Path or str
        Where it came from, for the message.
    model : str
        Fingerprint of the model that will score.
    levels : sequence of int, optional
        Noise levels that will be read.
    default : sequence of int
        Noise levels that None stands for.
    tiles : int
        Tiles along a side in which pictures will be scored.

    Raises
    ------
    BadInput
        It belongs to another model, or to other levels or tiles of this one.
    """
    if calibration.model != model:
        reason = f"was fitted on scores of the model {calibration.model}, but this is {model}"
        raise BadInput(path, reason, "audit with this model and run `segqc calibrate` again")
    wanted, fitted = (tuple(default if numbers is None else numbers) for numbers in (levels, calibration.levels))
    if wanted != fitted:
        reason = f"was fitted on scores of the noise levels {_listed(fitted)}, but {_listed(wanted)} are read"
        raise BadInput(path, reason, "read the same levels, or calibrate on an audit with these")
    if calibration.tiles != tiles:
        before, now = _in_tiles(calibration.tiles), _in_tiles(tiles)
        reason = f"was fitted on scores of pictures in {before}, but they are scored in {now} here"
        raise BadInput(path, reason, "score in the same tiles, or calibrate on an audit with these")


def find_calibration(
    folder: Path,
    given: Path | None,
    model: str,
    levels: Sequence[int] | None,
    default: Sequence[int],
    tiles: int = 1,
) -> Calibration | None:
    """The calibration that is `given`, else the one in the model's folder, else None; arguments as in `check_fits`.

    Raises
    ------
    BadInput
        The given one cannot be read or does not fit. One that merely lies in the folder and does not fit (the model was
        trained anew, or other levels or tiles are read) is left aside with a warning instead: it must not stand in the
        way of the audit that a new one is made from.
    """
    path = given or folder / CALIBRATION
    if given is None and not path.is_file():
        return None
    try:
        calibration = load_calibration(path)
        check_fits(calibration, path, model, levels, default, tiles)
    except BadInput as error:
        if given is not None:
            raise
        warnings.warn(f"not used: {error}", stacklevel=2)
        return None
    return calibration


def _in_tiles(count: int) -> str:
    return f"{count} x {count} tiles" if count > 1 else "one piece"


def _listed(levels: Sequence[int]) -> str:
    return ", ".join(map(str, levels))
