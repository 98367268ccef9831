"""What the head of a review page says: what was audited, how to read it, and what to do first."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from segqc.results.table import is_number

FACTS = ("mean_dice", "spearman", "in_both", "spearman_of_both_scores", "scored_without_picture")
"""Numbers of a summary that say something about the predictions."""


def introduction(summary: Mapping[str, Any], judged: str, scored: int, failed: int) -> str:
    """A few sentences for whoever opens the page. Folders that are called `predictions` or `model` are not named."""
    config = summary.get("config") or {}
    model = summary.get("model") or {}
    what = f"{scored:,} {judged}{'' if scored == 1 else 's'}"
    origin = _last(config.get("predictions")) or _last(config.get("data")) or _last(config.get("voc_root"))
    judge = _last(model.get("folder")) if isinstance(model, Mapping) else ""
    named = "" if judge == "model" else f" {judge}"
    parts = [
        what
        + (f" of {origin}" if origin not in ("", f"{judged}s") else "")
        + (f", judged by the model{named}" if judge else "")
    ]
    if failed:
        parts.append(f"{failed:,} could not be scored")
    return (
        f"{'; '.join(parts)}. A higher score is worse; the worst come first. "
        "Start at the top: A accepts, R rejects, 1 to 5 say why, Enter enlarges."
    )


def header_facts(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The summary's numbers that stand in the header."""
    return {name: summary[name] for name in FACTS if is_number(summary.get(name))}


def _last(path: Any) -> str:
    """The last part of a path, for people; empty where there is none."""
    if isinstance(path, list | tuple):
        return ", ".join(_last(one) for one in path)
    return PurePath(str(path)).name if path else ""
