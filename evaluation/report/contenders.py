"""Every method that is judged beside the one on trial, and its scores: computed once, kept, and read again by the next
run.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from rich.console import Console

from evaluation.baselines.base import Baseline, CollapsedFit, Example, LeftOut
from evaluation.baselines.heuristics import mask_heuristics, training_fingerprint
from evaluation.baselines.mixture import FeatureMixture
from evaluation.baselines.neighbours import MaskNeighbours
from evaluation.baselines.opinions import MirrorDisagreement, SecondNetwork
from evaluation.baselines.probabilities import probability_baselines
from evaluation.baselines.supervised import GROUP, NAME, NEEDS, supervised_upper_line
from evaluation.baselines.svdd.deep_svdd import DeepSVDD
from evaluation.baselines.svdd.training import PRESETS
from evaluation.report.config import EvaluateConfig
from evaluation.report.learning import TrainingPairs, training_pairs
from evaluation.report.measure import score_alone
from evaluation.report.paper import DEEP_SVDD, GNSM, Published
from evaluation.report.study import Study
from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.base.ray_cluster import RayCluster
from segqc.base.workers import map_items
from segqc.data.inspection.survey import commonest_reason
from segqc.results.table import AuditTable, read_finished_audit

TRIAL_GROUP, AUDIT_GROUP = "on trial", "other audits"


@dataclass(frozen=True)
class Contender:
    """A row of the table.

    Attributes
    ----------
    name, group, needs : str
        See `evaluation.baselines.base.Baseline`.
    scores : float64 `[n]`
        Higher = worse, NaN where missing.
    audit : AuditTable or None
        Where the scores come from, if from an audit.
    published : Published or None
        What the paper reports for this method.
    """

    name: str
    group: str
    needs: str
    scores: np.ndarray
    audit: AuditTable | None = None
    published: Published | None = None


@dataclass(frozen=True)
class Contenders:
    """Who is judged.

    Attributes
    ----------
    methods : list of Contender
        All methods with scores, the one on trial first.
    absent : dict of str to str
        Methods without scores, and why.
    notes : tuple of str
        Sentences on what the baselines learned from.
    """

    methods: list[Contender]
    absent: dict[str, str]
    notes: tuple[str, ...]


class _Alone:
    """Scores of the baselines that learn nothing: of each picture alone, all in one pass over the pictures, by the
    cluster if there is one.
    """

    def __init__(self, baselines: Sequence[Baseline], study: Study, cluster: RayCluster | None) -> None:
        self._baselines = [baseline for baseline in baselines if not baseline.learns]
        self._study, self._cluster = study, cluster

    @cached_property
    def _columns(self) -> np.ndarray:
        rows = map_items(self._cluster, partial(score_alone, self._baselines), self._study.examples)
        return np.stack(list(rows), axis=1)

    def of(self, baseline: Baseline) -> np.ndarray:
        """Float64 `[n]`, as from `Baseline.score`."""
        return self._columns[self._baselines.index(baseline)]


def contenders(
    config: EvaluateConfig, study: Study, console: Console | None = None, cluster: RayCluster | None = None
) -> Contenders:
    """The method on trial, the audits that it is compared with, and every baseline that can be scored.

    The cluster, if there is one, scores what learns nothing.

    Raises
    ------
    BadInput
        A compared audit, or training pairs that were named, cannot be read.
    """
    summary = study.audit.summary
    trial = _from_audit(f"segqc ({summary['method']})", TRIAL_GROUP, study.audit, study.ids)
    found, absent = [trial], {}
    density = study.audit.column("density", study.ids)
    if not np.isnan(density).all() and not np.array_equal(density, trial.scores):
        found.append(Contender("its density head alone", AUDIT_GROUP, "picture and mask", density))
    for text in config.compare:
        name, _, folder = text.rpartition("=")
        if not name:
            raise BadInput(
                "--compare",
                f"expected NAME=FOLDER, but got {text!r}",
                "give something like --compare paper=audit-paper",
            )
        found.append(_from_audit(name, AUDIT_GROUP, read_finished_audit(folder), study.ids))
    training, unread = training_pairs(config, study, console), dict[str, str]()
    with make_progress(console, "note") as progress:
        baselines = make_baselines(config)
        alone = _Alone(baselines, study, cluster)
        task = progress.add_task("baselines", total=len(baselines), note="")
        for baseline in baselines:
            progress.update(task, note=baseline.name)
            result = _scores_of(baseline, config, study, training, alone, unread)
            if isinstance(result, str):
                absent[baseline.name] = result
            else:
                published = DEEP_SVDD if isinstance(baseline, DeepSVDD) else None
                found.append(Contender(baseline.name, baseline.group, baseline.needs, result, published=published))
            progress.advance(task)
    table = np.column_stack([contender.scores for contender in found] + list(study.features.T))
    found.append(
        Contender(
            NAME,
            GROUP,
            NEEDS,
            supervised_upper_line(study.ids, table, study.quality.dice, min(5, len(study.ids)), config.seed),
        )
    )
    notes = [f"Baselines learn from {training.said}."] if training.examples else []
    if unread:
        notes.append(f"Training pairs that cannot be read: {commonest_reason(list(unread.items()))}.")
    return Contenders(found, absent, tuple(notes))


def _from_audit(name: str, group: str, audit: AuditTable, ids: list[str]) -> Contender:
    published = GNSM if audit.summary["method"] == "paper" else None
    return Contender(name, group, "picture and mask", audit.column("score", ids), audit, published)


def make_baselines(config: EvaluateConfig) -> list[Baseline]:
    """All baselines but the supervised line, not yet fitted, in the order of the table.

    Raises `BadInput` for an unknown Deep SVDD.
    """
    every: list[Baseline] = [*mask_heuristics(), FeatureMixture(config.seed), MaskNeighbours()]
    fits = config.fits or config.out / "fits"
    for text in config.deep_svdd:
        network, _, objective = text.partition("/")
        if network not in PRESETS or objective not in ("one-class", "soft-boundary"):
            raise BadInput(
                "--deep-svdd",
                f"knows no {text!r}",
                f"give NETWORK/OBJECTIVE, of {', '.join(PRESETS)} and one-class, soft-boundary",
            )
        settings = replace(PRESETS[network], objective=objective, seed=config.seed, device=config.device)  # type: ignore[index,arg-type]
        every.append(
            DeepSVDD(
                settings, cache=fits / f"inputs-{'lite' if network == 'frozen_lite' else 'pixels'}-{settings.size}"
            )
        )
    return [*every, *probability_baselines(), MirrorDisagreement(), SecondNetwork()]


def _scores_of(
    baseline: Baseline,
    config: EvaluateConfig,
    study: Study,
    training: TrainingPairs,
    alone: _Alone,
    unread: dict[str, str],
) -> np.ndarray | str:
    """Scores of one baseline, from the last run when nothing they depend on has changed; or why there are none.

    Training pairs that it cannot read are added to `unread`, with the reason.
    """
    pairs = training.examples
    if baseline.learns and not pairs:
        return training.said
    slug = re.sub(r"[^a-z0-9]+", "-", baseline.name.lower()).strip("-")
    kept = config.out / ".progress" / f"{slug}.json"
    header = {
        "judged": training_fingerprint(study.examples),
        "training": training_fingerprint(pairs) if baseline.learns else None,
        "files": [str(path) for path in (config.probs, config.tta, config.second)] if not baseline.learns else None,
        "seed": config.seed,
        "readers": _readings(study.examples[0], pairs[0] if baseline.learns else None),
    }
    if kept.is_file() and (stored := read_json(kept))["header"] == header and stored["ids"] == study.ids:
        unread |= stored["unread"]
        return np.array([np.nan if value is None else value for value in stored["scores"]], np.float64)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            baseline.fit(pairs, (config.fits or config.out / "fits") / slug)
            not_read = {item.message.id: item.message.reason for item in caught if isinstance(item.message, LeftOut)}
            scores = baseline.score(study.examples) if baseline.learns else alone.of(baseline)
    except (BadInput, FileNotFoundError) as error:
        return str(error)
    unread |= not_read
    if np.isnan(scores).all():
        return f"not given: it needs {baseline.needs}" + (f" (give {baseline.option})" if baseline.option else "")
    collapsed = [str(item.message) for item in caught if issubclass(item.category, CollapsedFit)]
    if collapsed:
        return collapsed[0]
    numbers = [None if np.isnan(value) else float(value) for value in scores]
    write_json(kept, {"header": header, "ids": study.ids, "scores": numbers, "unread": not_read})
    return scores


def _readings(judged: Example, learned: Example | None) -> list[Any]:
    """How the masks behind a baseline's scores are read, as JSON values."""
    readers = [judged.reader, judged.mirrored_reader, judged.second_reader, None if learned is None else learned.reader]
    return [None if reader is None else reader.to_dict() for reader in readers]
