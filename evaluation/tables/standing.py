"""Where the default and the paper's recipe stand: against the paper's figures, and against the baselines."""

from collections.abc import Mapping, Sequence

from evaluation.tables import paper
from evaluation.tables.methods import METHODS, title
from evaluation.tables.summary import Cell, Results

BEST_IN_PAPER = {name: max(figure, paper.BEST_OTHER[name][0]) for name, figure in paper.GNSM.items()}


def standing_text(results: Results, sets: Sequence[str], trial: str, recipe: str) -> str:
    """Sentences for the document; empty without rows of either method.

    Parameters
    ----------
    results : Results
    sets : sequence of str
        Sets that the paper has figures for.
    trial, recipe : str
        Names of the default method, and of the one that follows the paper.
    """
    found = [_default_text(results, _cells(results, sets, trial), trial)]
    found += _recipe_texts(_cells(results, sets, recipe), recipe)
    text = " ".join(sentence for sentence in found if sentence)
    return text[:1].upper() + text[1:]


def _cells(results: Results, sets: Sequence[str], method: str) -> dict[str, Cell]:
    return {name: cell for name in sets if (cell := results.cell(method, name, "average_precision"))}


def _default_text(results: Results, cells: Mapping[str, Cell], trial: str) -> str:
    if not cells:
        return ""
    below_paper = [
        f"{name} ({cell.mean:.2f} against {BEST_IN_PAPER[name]:.2f})"
        for name, cell in cells.items()
        if cell.mean < BEST_IN_PAPER[name]
    ]
    below_baselines = [text for name in cells if (text := _better_baseline(results, name, trial))]
    return (
        f"{title(trial)} exceeds everything in the paper's table on {_count(cells, below_paper)}; and, on its own "
        f"seeds, exceeds every baseline here on {_count(cells, below_baselines)}."
    )


def _better_baseline(results: Results, dataset: str, trial: str) -> str:
    """The best baseline where it is better than the default on the default's seeds, with both figures; else nothing."""
    means = results.compared(trial, dataset, "average_precision")
    baselines = [method for method in means if METHODS[method].group != "segqc"]
    best = max(baselines, key=lambda method: means[method], default=None)
    if best is None or means[best] <= means[trial]:
        return ""
    return f"{dataset} ({means[trial]:.2f} against {means[best]:.2f} of {title(best)})"


def _count(cells: Mapping[str, Cell], missed: Sequence[str]) -> str:
    exceptions = f", not on {', '.join(missed)}" if missed else ""
    return f"{len(cells) - len(missed)} of {len(cells)} sets{exceptions}"


def _recipe_texts(cells: Mapping[str, Cell], recipe: str) -> list[str]:
    """The paper's recipe against the paper's figures."""
    differences = {dataset: cell.mean - paper.GNSM[dataset] for dataset, cell in cells.items()}
    several = [dataset for dataset, cell in cells.items() if cell.seeds > 1]
    texts = []
    if several:
        near = [dataset for dataset in several if abs(differences[dataset]) <= cells[dataset].deviation]
        above = [dataset for dataset in several if dataset not in near and differences[dataset] > 0]
        below = [dataset for dataset in several if dataset not in near and differences[dataset] < 0]
        texts.append(
            f"{title(recipe)} is within one standard deviation of the paper's GNSM on {len(near)} of "
            f"{len(several)} sets ({', '.join(several)})"
            + (f", above it on {', '.join(above)}" if above else "")
            + (f", below it on {', '.join(below)}" if below else "")
            + "."
        )
    single = [f"{dataset} {differences[dataset]:+.1f}" for dataset in cells if dataset not in several]
    if single:
        texts.append(f"With one seed only, {title(recipe)} less the paper's GNSM: {', '.join(single)}.")
    return texts
