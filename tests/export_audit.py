"""A small audit on disk for tests of the export and of the gallery's command: three classes, names that need escaping,
three bad rows.
"""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tiny import LABELS, blobs

from segqc.base.files import write_json
from segqc.base.tables import write_table
from segqc.data.masks import write_mask

CLASSES = ",".join(LABELS.names)
NAMES = ["plain", "sub/with space", 'quote"&<amp>', "umlaut ü %23", "=formula"]
SCORES = [0.9, 0.8, 0.7, 0.6, 0.5]
SIZE = (40, 30)

COLUMNS = (
    "id", "rank", "score", "status", "reason", "worst_class", "expected_class", "worst_box", "classes", "dice", "width",
    "height", "image",
    "prediction", "p_value", "expected_dice", "expected_dice_low", "expected_dice_high", "decision",
)  # fmt: skip
CALIBRATED = COLUMNS[-5:]


def mask_of(index: int) -> np.ndarray:
    """The predicted mask of entry `index`: three rectangles, the last of which may hide others, and void."""
    return blobs(index, SIZE[1], SIZE[0])


def write_audit(folder: Path, calibrated: bool = True, suffixes: tuple[str, ...] = (".csv", ".parquet")) -> Path:
    """Write the audit to ``folder/audit`` and return that; five sound rows, the worst first, then one whose mask is
    gone, one unscored, one odd.
    """
    rows: list[dict[str, Any]] = []
    for index, name in enumerate(NAMES):
        image, prediction, heat = (
            folder / part / f"{name}.png" for part in ("pictures", "predictions", "audit/heatmaps")
        )
        for path in (image, heat):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(index).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)).save(
            image
        )
        write_mask(prediction, mask_of(index), LABELS)
        Image.fromarray(np.full((SIZE[1], SIZE[0]), 40 * index, np.uint8)).save(heat)
        rows.append(
            {
                "id": name, "rank": index + 1, "score": SCORES[index], "status": "ok", "reason": "",
                "worst_class": "cat",
                "expected_class": "dog" if index else None, "worst_box": "4,5,24,20" if index < 4 else None,
                "classes": "cat;dog", "dice": None,
                "width": SIZE[0], "height": SIZE[1], "image": str(image), "prediction": str(prediction),
                "p_value": 0.01 * (index + 1),
                "expected_dice": 0.2 * index, "expected_dice_low": 0.0, "expected_dice_high": 1.0,
                "decision": ("fail", "fail", "review", "pass", "pass")[index],
            }
        )  # fmt: skip
    sound = dict(rows[0])
    rows.append(
        sound | {"id": "mask gone", "rank": 6, "score": 0.3, "prediction": str(folder / "predictions" / "gone.png")}
    )
    rows.append(
        dict.fromkeys(COLUMNS)
        | {"id": "unscored", "rank": 7, "status": "error", "reason": "has no image", "prediction": "x.png"}
    )
    rows.append(sound | {"id": "no score", "rank": 8, "score": None})
    if not calibrated:
        rows = [{name: value for name, value in row.items() if name not in CALIBRATED} for row in rows]
    for suffix in suffixes:
        write_table(
            folder / "audit" / f"scores{suffix}",
            rows,
            [name for name in COLUMNS if calibrated or name not in CALIBRATED],
        )
    write_json(folder / "audit" / "summary.json", {"model": {"folder": "nowhere"}, "config": {}})
    return folder / "audit"
