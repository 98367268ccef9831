"""What is the score worth when the judged network is better than the quality model? The table and the plot of
docs/results-strength.md.

    python scripts/judge_strength.py --model 250=runs/steps-250 [3000=runs/steps-3000 ...] --images IMAGES \\
        --masks MASKS --predictions NAME=FOLDER [NAME=FOLDER ...] --plot docs/images/strength.png

Each quality model is one that `segqc train` has written, named by its steps or as one likes. A quality model's own mask
of a picture is the likeliest class of p(class | picture) at every pixel, its level t = 0, which sees no mask. For each
quality model and judged network, a line: the mean Dice of both over the pictures that all networks predicted, the
difference, and the Spearman correlation of score and Dice. Takes half a minute a model for 241 pictures on one core.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import segqc
from evaluation.metrics.classes import mean_dice
from evaluation.ranking.correlation import bootstrap_interval, spearman
from segqc.base.console import console, make_progress
from segqc.base.files import atomic_path
from segqc.data.grid import image_to_grid, map_to_pixels
from segqc.data.listing import masks_by_id
from segqc.data.masks import read_mask
from segqc.data.pictures import read_image
from segqc.quality_control import QualityControl


@dataclass(frozen=True)
class Strength:
    """A judged network beside a quality model.

    Attributes
    ----------
    model, network : str
    own_dice, dice : float
        Mean Dice with the ground truth, of the quality model's own masks and of the network's.
    correlation : float
        Spearman, of score and Dice.
    low, high : float
        Its interval of 95 % over pictures.
    """

    model: str
    network: str
    own_dice: float
    dice: float
    correlation: float
    low: float
    high: float

    @property
    def ahead(self) -> float:
        """By how much the judged network is better."""
        return self.dice - self.own_dice


def main() -> None:
    """Print the table as Markdown, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True, help="ground truth")
    parser.add_argument("--predictions", nargs="+", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--plot", type=Path, help="PNG to write")
    arguments = parser.parse_args()
    networks = {name: masks_by_id(Path(folder)) for name, folder in map(_named, arguments.predictions)}
    truths = masks_by_id(arguments.masks)
    common = set(truths).intersection(*networks.values())
    pictures = [path for path in sorted(arguments.images.iterdir()) if path.stem in common]
    if not pictures:
        raise SystemExit("no picture has ground truth and a prediction of every network")
    rows = list[Strength]()
    for name, folder in map(_named, arguments.model):
        rows += judge_model(name, segqc.load(folder), pictures, truths, networks)
    print(f"{len(pictures)} pictures\n")
    print("| quality model | its own Dice | judged network | its Dice | ahead by | Spearman of score and Dice |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        figures = f"{row.dice:.2f} | {row.ahead:+.2f} | {row.correlation:.2f} [{row.low:.2f}, {row.high:.2f}]"
        print(f"| {row.model} | {row.own_dice:.2f} | {row.network} | {figures} |")
    if arguments.plot:
        draw(rows, arguments.plot)
        print(f"\nwrote {arguments.plot}")


def _named(given: str) -> tuple[str, str]:
    name, _, folder = given.partition("=")
    return name, folder


def judge_model(
    name: str,
    qc: QualityControl,
    pictures: Sequence[Path],
    truths: Mapping[str, Path],
    networks: Mapping[str, Mapping[str, Path]],
) -> list[Strength]:
    """A row for each network; files by id."""
    own, scores = list[float](), {network: list[float]() for network in networks}
    dice = {network: list[float]() for network in networks}
    background = qc.labels.background
    with make_progress(console) as progress:
        for path in progress.track(pictures, description=f"quality model {name}"):
            picture, truth = read_image(path), read_mask(truths[path.stem], qc.labels)
            own.append(mean_dice(own_mask(qc, picture), truth, qc.labels.num_classes, background=background))
            for network, masks in networks.items():
                mask = read_mask(masks[path.stem], qc.labels)
                dice[network].append(mean_dice(mask, truth, qc.labels.num_classes, background=background))
                scores[network].append(qc.score_pair(picture, mask).score)
    rows = []
    for network in networks:
        columns = np.array(scores[network]), np.array(dice[network])
        interval = bootstrap_interval(spearman, *columns)
        means = float(np.mean(own)), float(np.mean(dice[network]))
        rows.append(Strength(name, network, *means, spearman(*columns), interval.low, interval.high))
    return rows


def own_mask(qc: QualityControl, picture: Image.Image) -> np.ndarray:
    """Likeliest class of p(class | picture) at every pixel, uint8 `[H, W]`."""
    model = qc.model
    with torch.inference_mode():
        shown = torch.from_numpy(image_to_grid(picture, model.config.image_size))[None].to(model.device)
        belief = model.belief(model.image_features(shown))[0].exp().cpu().numpy()
    return np.stack([map_to_pixels(of_class, picture.size) for of_class in belief]).argmax(0).astype(np.uint8)


def draw(rows: Sequence[Strength], path: Path) -> None:
    """Correlation over the lead of the judged network, a line for each network."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for network in dict.fromkeys(row.network for row in rows):
        own = [row for row in rows if row.network == network]
        ahead, correlation = [row.ahead for row in own], [row.correlation for row in own]
        reach = [[row.correlation - row.low for row in own], [row.high - row.correlation for row in own]]
        axes.errorbar(ahead, correlation, reach, marker="o", capsize=2, label=f"{network}, Dice {own[0].dice:.2f}")
        for row in own:
            axes.annotate(
                row.model, (row.ahead, row.correlation), xytext=(4, 4), textcoords="offset points", fontsize=7
            )
    axes.axvline(0, color="0.6", linewidth=0.8)
    axes.set_xlabel("mean Dice of the judged network minus that of the quality model's own masks")
    axes.set_ylabel("Spearman of score and Dice")
    axes.legend(frameon=False, fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")
    plt.close(figure)


if __name__ == "__main__":
    main()
