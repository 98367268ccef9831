"""docs/results-tabular.md: the default beside other methods on many tables, in Markdown, of whatever rows there are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from evaluation.tables.markdown import table
from evaluation.tables.methods import TRIAL, title
from evaluation.tables.ranking import rank_methods, rank_texts
from evaluation.tables.rows import Row, load_scores
from evaluation.tables.summary import Results

_ORDERS = 20  # random orders of equal scores
_RESAMPLES = 2000  # of the tables
_FAR = 5  # points of average precision


def random_tie_precision(anomalous: np.ndarray, scores: np.ndarray, orders: int = _ORDERS) -> float:
    """Average precision with equal scores in random order, the mean over some orders.

    scikit-learn's takes the precision at the end of a run of equal scores for all anomalies in it.
    """
    rng, found = np.random.default_rng(0), []
    for _ in range(orders if len(np.unique(scores)) < len(scores) else 1):
        shuffled = rng.permutation(len(scores))
        hits = np.flatnonzero(anomalous[shuffled[np.argsort(-scores[shuffled], kind="stable")]])
        found.append(np.mean(np.arange(1, len(hits) + 1) / (hits + 1)))
    return float(np.mean(found))


def render(
    results: Results,
    groups: Mapping[str, str],
    dirty: Mapping[float, Results],
    command: str,
    picture: str,
    more: str = "",
) -> str:
    """The document.

    Parameters
    ----------
    results : Results
        Results of fits on inliers.
    groups : mapping of str to str
        Where each table comes from.
    dirty : mapping of float to Results
        Results of fits with anomalies among the training rows, by their share.
    command, picture : str
        What makes the document; path of the critical-difference diagram.
    more : str
        Text below the first tables.
    """
    ranking = rank_methods(results, results.datasets, TRIAL)
    parts = [
        "# Results on tables",
        _protocol(results, command),
        "## Wins and losses",
        _standing(results),
        _losses(results),
    ]
    parts += ["## Means by group", _group_means(results, groups), more]
    if ranking is not None:
        parts[3:3] = [_rank_gap(results)]
        parts += ["## Ranks", *rank_texts(ranking, TRIAL, picture)]
    parts += ["## Every table", _every_table(results)]
    there = {share: found for share, found in dirty.items() if found.datasets}
    if there:
        parts += ["## Anomalies among the training rows", _dirty(results, there)]
    parts += ["## Time", _times(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _protocol(results: Results, command: str) -> str:
    seeds = ", ".join(map(str, results.seeds))
    return (
        f"```bash\n{command}\n```\n\n{len(results.datasets)} tables, seeds {seeds}. Per seed 90 % of the inliers are "
        "fitted, anomalies are not among them, and the other 10 % are ranked together with all anomalies. All methods "
        "get the same rows, and each has one configuration, its default, for all tables. Cells are average precision "
        "in %, as scikit-learn has it: all anomalies of a run of equal scores get the precision at its end. `Means by "
        "group` also has the mean with equal scores in random order. The default of segqc was chosen on these tables, "
        "by their mean and the mean rank, among the rules that docs/results-tabular-choice.md counts: its figures here "
        "are not free of that choice."
    )


def _precision(results: Results, method: str, name: str) -> float | None:
    cell = results.cell(method, name, "average_precision")
    return None if cell is None else cell.mean


def _standing(results: Results) -> str:
    lines = []
    for method in results.methods:
        pairs = [(_precision(results, TRIAL, name), _precision(results, method, name)) for name in results.datasets]
        known = [(ours, theirs) for ours, theirs in pairs if ours is not None and theirs is not None]
        if method == TRIAL or not known:
            continue
        gaps = [ours - theirs for ours, theirs in known]
        best, worst = int(np.argmax(gaps)), int(np.argmin(gaps))
        names = [name for name, (a, b) in zip(results.datasets, pairs, strict=True) if a is not None and b is not None]
        lines.append(
            [
                title(method),
                f"{np.mean(gaps):+.1f}",
                f"{sum(gap > 0 for gap in gaps)} / {sum(gap < 0 for gap in gaps)}",
                f"{names[best]} {gaps[best]:+.1f}",
                f"{names[worst]} {gaps[worst]:+.1f}",
            ]
        )
    header = ["segqc (default) against", "mean difference", "tables better / worse", "largest lead", "largest loss"]
    return table(header, lines)


def _losses(results: Results) -> str:
    """The tables on which another method is well ahead, worst first."""
    behind = []
    for name in results.datasets:
        known = {m: value for m in results.methods if (value := _precision(results, m, name)) is not None}
        ours = known.pop(TRIAL, None)
        if ours is not None and known:
            best = max(known, key=lambda method: known[method])
            behind.append((ours - known[best], name, title(best)))
    far = [f"{name} ({gap:.1f}, {best})" for gap, name, best in sorted(behind) if gap < -_FAR]
    ahead = sum(gap > 0 for gap, _, _ in behind)
    said = f"{title(TRIAL)} is ahead of all others on {ahead} of {len(behind)} tables"
    return f"{said}, and more than {_FAR} points behind the best of them on {len(far)}: {', '.join(far) or 'none'}."


def _random_ties(results: Results, method: str, name: str) -> float:
    return 100 * float(np.mean([_untied(results.folder, row) for row in results.rows(method, name)]))


def _untied(folder: Path, row: Row) -> float:
    labels = np.arange(row.test_rows) >= row.test_rows - row.anomalies
    return random_tie_precision(labels, load_scores(folder, row))


def _group_means(results: Results, groups: Mapping[str, str]) -> str:
    order = list(dict.fromkeys(groups[name] for name in results.datasets))
    members = {group: [name for name in results.datasets if groups[name] == group] for group in order}
    lines = []
    for method in results.methods:
        cells = [_mean([_precision(results, method, name) for name in members[group]]) for group in order]
        everything = [_precision(results, method, name) for name in results.datasets]
        untied = [_random_ties(results, method, name) for name in results.datasets if results.rows(method, name)]
        complete = _mean(untied) if len(untied) == len(results.datasets) else "-"
        lines.append([title(method), *cells, _mean(everything), complete])
    titles = [f"{group} ({len(members[group])})" for group in order]
    return table(["method", *titles, f"all ({len(results.datasets)})", "all, ties at random"], lines)


def _rank_gap(results: Results) -> str:
    """Mean ranks of the two best, and the interval of their difference over tables drawn again."""
    methods = [m for m in results.methods if all(results.rows(m, name) for name in results.datasets)]
    ranks = rankdata(-results.matrix(results.datasets, methods), axis=1)
    ours = methods.index(TRIAL)
    order = np.argsort(ranks.mean(axis=0))
    second = int(next(m for m in order if m != ours))
    gap = ranks[:, second] - ranks[:, ours]
    drawn = np.random.default_rng(0).integers(len(gap), size=(_RESAMPLES, len(gap)))
    low, high = np.quantile(gap[drawn].mean(axis=1), [0.025, 0.975])
    return (
        f"Mean rank of {title(TRIAL)}: {ranks[:, ours].mean():.2f} of {len(methods)}; of {title(methods[second])}, the "
        f"next: {ranks[:, second].mean():.2f}. The difference is {gap.mean():.2f} [{low:.2f}, {high:.2f}] (95 % "
        "interval of a bootstrap over tables)."
    )


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.1f}" if known and len(known) == len(values) else "-"


def _every_table(results: Results) -> str:
    lines = []
    for name in results.datasets:
        values = [_precision(results, method, name) for method in results.methods]
        best = max(value for value in values if value is not None)
        row = next(row for method in results.methods for row in results.rows(method, name))
        cells = ["-" if v is None else f"**{v:.1f}**" if v > best - 0.05 else f"{v:.1f}" for v in values]
        lines.append([name, f"{row.trained_rows:,}", f"{row.anomalies / row.test_rows:.0%}", *cells])
    return table(["table", "rows fitted", "anomalies ranked", *map(title, results.methods)], lines)


def _dirty(results: Results, dirty: Mapping[float, Results]) -> str:
    """Fits with no, few and more anomalies among the training rows, all judged on the rows that all of them rank."""
    by_share = {0.0: results, **dirty}
    lines = []
    for method in results.methods:
        fits = [_precisions_by_share(by_share, method, name, seed) for name, seed in _fits(results)]
        known = [fit for fit in fits if not np.isnan(fit[0]) and not np.isnan(fit[1:]).all()]
        lines.append([title(method), *(_mean_of_fits(np.array(known), k) for k in range(len(by_share)))])
    said = (
        "So many of the training rows are anomalies, or fewer where half of a table's anomalies are fewer. All fits of "
        "a table are judged on the same rows: the inliers, and the anomalies that no fit has seen. Cells are the mean "
        "average precision with equal scores in random order, and the difference to the fits without anomalies; in "
        "brackets the number of fits where some are missing. Anomalies of one kind are a cluster of the training rows, "
        "which densities and near neighbours learn ([what was tried "
        "against it](results-tabular-choice.md#anomalies-among-the-training-rows))."
    )
    shares = [f"{100 * share:g} %" for share in by_share]
    means = table(["method", *shares], lines)
    each = table(["table", *shares], [[name, *_by_share(by_share, name)] for name in results.datasets])
    return f"{said}\n\n{means}\n\n{title(TRIAL)} on every table:\n\n{each}"


def _fits(results: Results) -> list[tuple[str, int]]:
    return [(name, seed) for name in results.datasets for seed in results.seeds]


def _precisions_by_share(by_share: Mapping[float, Results], method: str, name: str, seed: int) -> list[float]:
    """Average precision in % of a method's fits with each share, NaN where there is none."""
    rows = [{row.seed: row for row in found.rows(method, name)}.get(seed) for found in by_share.values()]
    every = [row for found in by_share.values() for m in found.methods for row in found.rows(m, name)]
    unseen = min((row.anomalies for row in every if row.seed == seed), default=0)
    found = []
    for results, row in zip(by_share.values(), rows, strict=True):
        if row is None:
            found.append(np.nan)
            continue
        scores, inliers = load_scores(results.folder, row), row.test_rows - row.anomalies
        kept = np.concatenate([scores[:inliers], scores[len(scores) - unseen :]])
        found.append(100 * random_tie_precision(np.arange(len(kept)) >= inliers, kept))
    return found


def _mean_of_fits(fits: np.ndarray, share: int) -> str:
    """Mean of one share, and its difference to fits of the same tables without anomalies."""
    there = ~np.isnan(fits[:, share]) if len(fits) else np.zeros(0, bool)
    if not there.any():
        return "-"
    said = f"{fits[there, share].mean():.1f}"
    if share:
        said += f" ({(fits[there, share] - fits[there, 0]).mean():+.1f})"
    return said if there.all() else f"{said} [{there.sum()}]"


def _by_share(by_share: Mapping[float, Results], name: str) -> list[str]:
    seeds = next(iter(by_share.values())).seeds
    fits = [_precisions_by_share(by_share, TRIAL, name, seed) for seed in seeds]
    complete = [fit for fit in fits if not np.isnan(fit).any()]
    return [f"{mean:.1f}" for mean in np.mean(complete, axis=0)] if complete else ["-"] * len(by_share)


def _times(results: Results) -> str:
    lines = []
    for method in results.methods:
        rows = [row for name in results.datasets for row in results.rows(method, name)]
        fits = [row.fit_cpu_seconds for row in rows]
        lines.append([title(method), f"{np.median(fits):.2f}", f"{max(fits):.1f}"])
    return table(["method", "fit, median CPU seconds", "largest"], lines)
