"""Pictures of an evaluation: correlations, risk and coverage, score against Dice, and the worst images of methods."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from evaluation.report import figures
from evaluation.report.config import EvaluateConfig
from evaluation.report.contenders import Contender
from evaluation.report.evaluation import Evaluation
from evaluation.report.page import Picture
from evaluation.report.paper import DEEP_SVDD, GNSM, Published, with_published
from evaluation.report.study import Study
from segqc.gallery.contact_sheet import write_contact_sheet
from segqc.gallery.layers import GalleryEntry

SHEET_ROWS = 24
OTHER_CURVES = 5  # beside the method on trial; a figure of thirty curves tells nobody anything
_CURVES = ("on trial", "other audits", "probabilities", "second opinion", "supervised")
_BEST_ONLY = ("mask", "picture and mask")
_OF_PAPER = ("correlations.png", "top_gnsm.png", "top_deep_svdd.png")


def draw_pictures(config: EvaluateConfig, found: Evaluation, methods: Sequence[Contender]) -> list[Picture]:
    """Draw all pictures into `config.out`, in the order in which the report shows them."""
    pictures = []
    for name, figure, heading, caption in _figures(config, found, methods):
        figures.save(figure, config.out / name)
        pictures.append(Picture(config.out / name, heading, caption, name in _OF_PAPER))
    for name, method in _sheets(methods).items():
        heading, path = f"Ranked worst by {method.name}", config.out / name
        write_contact_sheet(path, _sheet_entries(found.study, method), found.study.labels, title=heading)
        pictures.append(Picture(path, heading, f"The first {SHEET_ROWS}, with their true masks.", name in _OF_PAPER))
    return pictures


def _figures(
    config: EvaluateConfig, found: Evaluation, methods: Sequence[Contender]
) -> list[tuple[str, Figure, str, str]]:
    """File name, figure, heading and caption of each figure."""
    quality, trial = found.study.quality, methods[0].name
    curves = _curves(found, methods)
    drawn = [
        (
            "correlations.png",
            figures.correlation_map(with_published(found.rows, published_of(methods), found.top), found.top),
            "Correlation with quality",
            "Figure 1 of the paper. Blue is right for Dice, red for distances.",
        ),
        (
            "risk_coverage.png",
            figures.risk_coverage_curves(curves, quality, trial),
            "Risk and coverage",
            "The method on trial and the five best of the others; of the mask heuristics and of Deep SVDD only the "
            "best.",
        ),
        (
            "score_against_dice.png",
            figures.score_against_dice(curves, quality, config.threshold),
            "Score against Dice",
            "The same methods, an image each; the Dice scores below the line are failures.",
        ),
    ]
    if found.corruptions is not None:
        bars = figures.corruption_bars(found.corruptions)
        caption = "Bars: three strengths. 0.5 is chance; lines are 95 % intervals over pictures."
        drawn.append(("corruptions.png", bars, "Corrupted masks told from untouched ones", caption))
    return drawn


def _curves(found: Evaluation, methods: Sequence[Contender]) -> Mapping[str, np.ndarray]:
    """Scores of the method on trial and of the best others by Spearman's correlation; of the simple groups the best."""
    trial = methods[0]
    shown = {method.name: method.scores for method in methods if method.group in _CURVES and method is not trial}
    spearman = {row["method"]: row["spearman"] for row in found.rows if row["spearman"] is not None}
    for group in _BEST_ONLY:
        candidates = [method for method in methods if method.group == group and method.name in spearman]
        if candidates:
            best = min(candidates, key=lambda method: spearman[method.name])
            shown[best.name] = best.scores
    ordered = sorted(shown, key=lambda name: spearman.get(name, 1.0))
    return {trial.name: trial.scores} | {name: shown[name] for name in ordered[:OTHER_CURVES]}


def published_of(methods: Sequence[Contender]) -> dict[str, Published]:
    """What the paper reports, by the method that rebuilds it."""
    return {method.name: method.published for method in methods if method.published is not None}


def _sheets(methods: Sequence[Contender]) -> dict[str, Contender]:
    """By file name, whose worst images are shown: those of the method on trial and, as in figures 2 to 4 of the paper,
    of GNSM and Deep SVDD.
    """
    sheets = {"top_segqc.png": methods[0]}
    for name, published in (("top_gnsm.png", GNSM), ("top_deep_svdd.png", DEEP_SVDD)):
        first = next((method for method in methods if method.published is published), None)
        if first is not None and first is not methods[0]:
            sheets[name] = first
    return sheets


def _sheet_entries(study: Study, method: Contender) -> list[GalleryEntry]:
    """The images that a method ranks worst, with its ranks and scores; only an audit has heat maps and regions."""
    scored = [place for place in range(len(study.ids)) if not np.isnan(method.scores[place])]
    worst = sorted(scored, key=lambda place: (-method.scores[place], study.ids[place]))[:SHEET_ROWS]
    entries = []
    for rank, place in enumerate(worst, 1):
        example, score, dice = study.examples[place], float(method.scores[place]), float(study.quality.dice[place])
        row: dict[str, Any] = study.audit.by_id[example.id] | {
            "worst_class": None,
            "expected_class": None,
            "worst_box": None,
        }
        heat = None
        if method.audit is not None:
            row |= method.audit.by_id[example.id]
            heat = method.audit.heatmap(row)
        row |= {"rank": rank, "score": score, "dice": dice}
        entries.append(
            GalleryEntry(row, example.image, example.mask_file, heat, study.truths[place], reader=example.reader)
        )
    return entries
