"""Opening picture and mask files safely: every failure is a `BadInput`, and nothing huge is decoded unasked."""

import logging
import math
import os
from pathlib import Path

import numpy as np
from PIL import Image

from segqc.base.errors import BadInput
from segqc.base.storage.paths import as_path

RAISE_LIMIT = "if you trust the file, raise the limit with --max-pixels (in Python: PIL.Image.MAX_IMAGE_PIXELS)"


def check_file(path: Path | str) -> None:
    """Refuse what is no file, or an empty one.

    Raises
    ------
    BadInput
        Missing, a folder, 0 bytes, or unreadable.
    StorageError
        The file lies in a store that does not give it.
    """
    path = as_path(path)
    try:
        if not path.is_file():
            raise BadInput(path, "is a folder, not a file" if path.is_dir() else "does not exist")
        if path.stat().st_size == 0:
            raise BadInput(path, "is empty (0 bytes)", "write or copy it again")
        os.fspath(path)  # fetches an object of a store, so that no decoder meets the store's errors
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise BadInput(path, f"cannot be read: {error}") from error


def check_pixels(path: Path | str, pixels: int) -> None:
    """Refuse more than `PIL.Image.MAX_IMAGE_PIXELS` pixels (89 million unless changed; None lifts the limit).

    Raises
    ------
    BadInput
        There are more.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and pixels > limit:
        raise BadInput(path, f"has {pixels:,} pixels, more than the limit of {limit:,}", RAISE_LIMIT)


def decode(path: Path | str, formats: tuple[str, ...], wrong_format: str, fix: str) -> Image.Image:
    """Open and fully decode the first frame of an image file.

    Pillow's decoders raise whatever a hostile file makes them trip over, hence the broad clause.

    Parameters
    ----------
    path : Path or str
    formats : tuple of str
        Pillow's names of the formats that are accepted, found by content.
    wrong_format, fix : str
        Reason and fix for a file of any other format.

    Raises
    ------
    BadInput
        The file is missing, empty, of another format, too large, damaged or truncated.
    """
    check_file(path)
    try:
        with Image.open(path, formats=formats) as image:
            check_pixels(path, image.width * image.height)
            image.load()
            return image.copy()
    except BadInput:
        raise
    except Image.UnidentifiedImageError as error:
        raise BadInput(path, wrong_format, fix) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput(path, f"is too large: {error}", RAISE_LIMIT) from error
    except Exception as error:
        raise BadInput(path, f"is damaged or truncated: {error}", "write or copy it again") from error


def read_tiff_array(path: Path, whole: bool = False) -> np.ndarray:
    """The first series of a TIFF as tifffile reads it: `[H, W]`, or more dimensions.

    Parameters
    ----------
    path : Path
    whole : bool
        Whether all values count as pixels towards the limit; else those of one plane.

    Raises
    ------
    BadInput
        The file is too large, damaged, or no TIFF.
    """
    import tifffile

    log = logging.getLogger("tifffile")  # it reports damage there, which is said in the error's own words
    quiet, log.disabled = log.disabled, True
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            check_pixels(path, math.prod(series.shape if whole else sorted(series.shape)[-2:]))
            return series.asarray()
    except BadInput:
        raise
    except Exception as error:  # tifffile raises many kinds for damaged files
        raise BadInput(path, f"is not a readable TIFF: {error}", "write or copy it again") from error
    finally:
        log.disabled = quiet
