"""Deep SVDD (Ruff et al. 2018) as a QC score: distance of an embedded (picture, mask) pair from the centre of those
with ground-truth masks.

Its danger is collapse: a network that maps everything to the centre has the lowest loss there is, and ranks by rounding
errors. The networks make that unlikely (`svdd_networks`); `collapse_report` and `is_alive` look whether it happened.
"""

import dataclasses
import math
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

from evaluation.baselines.base import Baseline, CollapsedFit, Example, Group, LeftOut
from evaluation.baselines.heuristics import read_each, score_each, training_fingerprint
from evaluation.baselines.svdd.networks import encode, make_networks
from evaluation.baselines.svdd.training import PRESETS, SVDDConfig, SVDDTraining
from segqc.base.console import make_progress
from segqc.base.devices import find_device
from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.base.fingerprints import stable_seed
from segqc.base.journal import Journal
from segqc.data.dataset import PairDataset
from segqc.data.grid import image_to_grid, mask_to_grid
from segqc.data.masks import check_size
from segqc.data.pairs import Pair
from segqc.data.pictures import AS_STORED
from segqc.data.reader import PairReader
from segqc.training.checkpoint import load_tensors, save_tensors
from segqc.training.feature_cache import BLOCK, FeatureCache
from segqc.training.pairs import check_pairs
from segqc.training.samples import SampleSource

# settings that may change between two starts of one fit
_NOT_PART_OF_A_FIT = ("device", "workers", "checkpoint_every", "cache_gib")


def collapse_statistics(embeddings: np.ndarray, centre: np.ndarray) -> dict[str, float]:
    """Whether embeddings `[n, D]` still tell pairs apart.

    Returns
    -------
    dict
        examples: n; distinct_scores: distances that differ by more than rounding does (1e-8 of |c|^2);
        embedding_variance: mean squared distance from the mean embedding, over |c|^2; score_spread: standard deviation
        of the scores over their mean; centre_norm: |c|.
    """
    embeddings, centre = np.asarray(embeddings, np.float64), np.asarray(centre, np.float64)
    scores, scale = ((embeddings - centre) ** 2).sum(axis=1), float((centre**2).sum())
    return {
        "examples": len(scores),
        "distinct_scores": len(np.unique(np.round(scores / (1e-8 * scale)))),
        "embedding_variance": float(((embeddings - embeddings.mean(axis=0)) ** 2).sum(axis=1).mean() / scale),
        "score_spread": float(scores.std() / max(scores.mean(), np.finfo(float).tiny)),
        "centre_norm": math.sqrt(scale),
    }


def collapse_report(model: "DeepSVDD", examples: Sequence[Example]) -> dict[str, float]:
    """`collapse_statistics` of a fitted model on examples, with its `loss_first` and `loss_last`: mean squared distance
    of training pairs.
    """
    embeddings = [embedding for embedding in read_each(examples, model.embed) if embedding is not None]
    losses = {name: model.report_[name] for name in ("loss_first", "loss_last")}
    return collapse_statistics(np.stack(embeddings), model.centre_.cpu().numpy()) | losses


def is_alive(report: dict[str, float]) -> bool:
    """Whether a `collapse_report` is that of a model that learned something and still tells pairs apart.

    The loss fell; scores and embeddings differ by more than a thousandth of what they would have to be to matter: the
    embeddings deviate from their mean by at least 1 % of |c|, the scores from theirs by at least 5 %, and nine in ten
    scores are distinct.
    """
    return (
        report["loss_last"] < report["loss_first"]
        and report["distinct_scores"] >= 0.9 * report["examples"]
        and report["embedding_variance"] >= 1e-4
        and report["score_spread"] >= 0.05
    )


class DeepSVDD(Baseline):
    """||phi(x) - c||^2 of a pair, less R^2 under the soft boundary.

    A mask without foreground is a pair like any other: its distance is what the network makes of it, and nothing is
    promised of it.

    Parameters
    ----------
    config : SVDDConfig
    cache : Path, optional
        Folder for decoded inputs, kept and shared by fits of the same pairs at the same size. None: inside the fit's
        folder, until it is finished.
    """

    group: Group = "picture and mask"
    needs = "picture and mask, and training pairs with ground-truth masks"
    learns = True

    def __init__(self, config: SVDDConfig = PRESETS["v2_b0"], cache: Path | None = None) -> None:
        self.config = config
        self.cache = cache
        self.name = f"Deep SVDD, {config.objective} ({config.network})"

    def fit(self, training: Sequence[Example], folder: Path, console: Console | None = None) -> None:
        """Train, or load, into `folder`: `svdd.safetensors` and `svdd.json`.

        Pairs that cannot be read are left out with a warning.

        A killed fit continues from its last checkpoint. A model that is not alive is kept, with a warning: `report_`
        says in what way.

        Raises
        ------
        BadInput
            When fewer than two training pairs can be read.
        ValueError
            When the label spaces of the training pairs differ.
        FloatingPointError
            When the loss is no longer finite.
        """
        folder, config = Path(folder), self.config
        device = find_device(config.device)
        reader = _common_reader(training, folder)
        self.labels_ = reader.labels
        settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in _NOT_PART_OF_A_FIT}
        read_as = (reader.predictions or reader.labels).to_dict()
        header = {"training": training_fingerprint(training), "labels": read_as, "config": settings}
        if reader.pictures != AS_STORED:
            header["pictures"] = reader.pictures.to_dict()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            encoder, network = make_networks(config.network, self.labels_.num_classes, config.embedding)
        self.encoder_, self.network_ = encoder.to(device), network.to(device)
        blank = torch.zeros(1, 3, config.size, config.size, dtype=torch.uint8, device=device)
        shapes = [tuple(features.shape[1:]) for features in encode(self.encoder_, blank)]
        self.grid_size_ = shapes[0][-1]

        marker, weights = folder / "svdd.json", folder / "svdd.safetensors"
        found = read_json(marker) if marker.is_file() and weights.is_file() else {}
        if found.get("header") != header:
            marker.unlink(missing_ok=True)
            with make_progress(console, "note") as progress:
                pairs = self._usable(training, folder, reader, header, progress)
                spaces = reader.predictions or reader.labels
                dataset = PairDataset(pairs, spaces, config.size, self.grid_size_, pictures=reader.pictures)
                source = self._source(dataset, folder, header, shapes, progress)
                state = SVDDTraining(config, self.encoder_, self.network_, source, len(pairs), folder, header)
                report, embeddings = state.run(progress)
            found = {
                "header": header,
                "report": report | collapse_statistics(embeddings.cpu().numpy(), state.centre.cpu().numpy()),
            }
            save_tensors(weights, self.network_.state_dict() | {"centre": state.centre}, {})
            write_json(marker, found)
            state.path.unlink()
            if self.cache is None:
                shutil.rmtree(folder / "inputs", ignore_errors=True)
        tensors, _ = load_tensors(weights)
        self.centre_ = tensors.pop("centre").to(device)
        self.network_.load_state_dict(tensors)
        self.network_.eval()
        self.report_ = found["report"]
        if not is_alive(self.report_):
            warnings.warn(
                f"{self.name} in {folder} has collapsed or learned nothing, its scores mean nothing: {self.report_}",
                CollapsedFit,
                stacklevel=2,
            )

    def score(self, audited: Sequence[Example]) -> np.ndarray:
        offset = self.report_["radius"] ** 2 if self.config.objective == "soft-boundary" else 0.0
        centre = self.centre_.cpu().numpy().astype(np.float64)
        return score_each(audited, lambda example: float(((self.embed(example) - centre) ** 2).sum()) - offset)

    @torch.no_grad()
    def embed(self, example: Example) -> np.ndarray:
        """phi(x) of one pair by itself, in evaluation mode and float32: float64 `[D]`.

        Raises
        ------
        BadInput
            When it cannot be read.
        ValueError
            When its label space is not that of the training pairs.
        """
        if example.labels != self.labels_:
            raise ValueError(f"Expected {example.id} to have the label space of the training pairs, but got another")
        shown, labelled = example.picture(), example.mask()
        check_size(example.mask_file, labelled.shape[::-1], shown)
        sample = image_to_grid(shown, self.config.size), mask_to_grid(labelled, self.grid_size_, self.labels_)
        image, mask = (torch.from_numpy(array)[None].to(self.centre_.device) for array in sample)
        return self.network_((encode(self.encoder_, image), mask))[0].cpu().double().numpy()

    def _usable(
        self, training: Sequence[Example], folder: Path, reader: PairReader, header: dict, progress: Progress
    ) -> list[Pair]:
        """The pairs that can be read, by id: their order is not the caller's."""
        pairs = sorted(
            (Pair(example.id, example.image, example.mask_file) for example in training), key=lambda pair: pair.id
        )
        with Journal(folder / "checked.jsonl", {"training": header["training"], "labels": header["labels"]}) as journal:
            task = progress.add_task("checking files", total=sum(pair.id not in journal for pair in pairs), note="")
            usable, problems = check_pairs(
                pairs,
                reader.predictions or reader.labels,
                journal,
                lambda n: progress.advance(task, n),
                reader.pictures,
            )
        for problem in problems:
            warnings.warn(LeftOut(problem.id, problem.reason), stacklevel=3)
        if len(usable) < 2:
            raise BadInput(
                folder,
                f"gets {len(usable)} training pairs that can be read",
                "check the training pairs; it takes two at least",
            )
        return usable

    def _source(
        self, dataset: PairDataset, folder: Path, header: dict, shapes: list[tuple], progress: Progress
    ) -> SampleSource:
        """The pairs' maps and masks in a memory-mapped file, or, when that would be too large, the pairs themselves."""
        config, items = self.config, len(dataset)
        if items * (2 * sum(map(math.prod, shapes)) + self.grid_size_**2) > config.cache_gib * 2**30:
            return dataset
        kind = "lite" if config.network == "frozen_lite" else "pixels"
        fingerprint = f"{stable_seed(header['training'], header['labels'], kind, config.size):016x}"
        keys = [(i, None) for i in range(items)]
        # A rival is shown what the paper would show it: sixteen bits.
        cache = FeatureCache(self.cache or folder / "inputs", keys, shapes, self.grid_size_, fingerprint, bits=16)
        task = progress.add_task(
            "reading pairs", total=items, completed=max(0, items - len(cache.missing) * BLOCK), note=""
        )
        device = next(self.network_.parameters()).device
        cache.fill(
            cache.missing, _FrozenEncoder(self.encoder_, device), dataset, lambda rows: progress.advance(task, rows)
        )
        return cache


@dataclass(frozen=True)
class _FrozenEncoder:
    """What fills a `FeatureCache`."""

    encoder: nn.Module
    device: torch.device

    def image_features(self, images: Tensor) -> Sequence[Tensor]:
        return encode(self.encoder, images)


def _common_reader(training: Sequence[Example], folder: Path) -> PairReader:
    if not training:
        raise BadInput(folder, "gets no training pairs", "name some")
    first = training[0]
    if any((example.labels, example.reader) != (first.labels, first.reader) for example in training):
        raise ValueError("Expected training pairs of one label space, but got several")
    return first.reader or PairReader(first.labels)
