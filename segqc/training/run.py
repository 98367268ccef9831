"""`segqc train`: pairs of pictures and masks in, a model folder out.

The run folder holds `training/` (checkpoints, feature cache, journals, TensorBoard log) while it grows;
`model.safetensors` and `config.json` appear when it is done. Every state is written whole, and what a step sees depends
on (seed, step, sample) alone, so the same command continues a killed run and ends, on a CPU, with the same bits.
"""

import dataclasses
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from rich.console import Console
from rich.text import Text

from segqc.base.console import make_progress
from segqc.base.devices import make_accelerator
from segqc.base.errors import BadInput
from segqc.base.files import remove_leftovers, write_json
from segqc.base.journal import Journal
from segqc.base.locks import exclusive
from segqc.base.settings import to_json
from segqc.base.tracking import check_trackers, tracking
from segqc.base.version import __version__
from segqc.data.dataset import AugmentConfig, PairDataset
from segqc.data.folds import rows_without_fold, split_validation
from segqc.data.inspection.survey import commonest_reason
from segqc.data.labels import LabelSpace
from segqc.data.pairs import Pair, Problem, count_files, dataset_fingerprint
from segqc.model.folder import CONFIG, save_model
from segqc.model.quality_model import QualityModel
from segqc.model.segment_noise import SegmentNoise, class_swaps
from segqc.training.config import TrainConfig
from segqc.training.density_fit import fit_density
from segqc.training.design import new_model
from segqc.training.detail import fitted_to_objects
from segqc.training.feature_source import sample_source
from segqc.training.first_look import look_first
from segqc.training.guessers import CrossFitted
from segqc.training.pairs import TrainingSource, check_pairs, training_source
from segqc.training.plan import planned
from segqc.training.remembered import RememberedGuesses
from segqc.training.resolved import ResolvedTrainConfig, resolve
from segqc.training.run_record import claim_run
from segqc.training.samples import SampleSource, TrainingData
from segqc.training.statistics import class_looks, class_pictures, repeat_factors
from segqc.training.trainer import Trainer
from segqc.training.wrong_masks import WrongMasks

# of the augmented views: the same for every run, so that runs of other seeds and methods can share cached features
_VIEW_SEED = 0


def train(given: TrainConfig, console: Console | None = None, found: TrainingSource | None = None) -> Path:
    """Train a model, or continue where the same run was stopped.

    Parameters
    ----------
    given : TrainConfig
    console : Console, optional
        Where progress goes; None is silent.
    found : TrainingSource, optional
        What `training_source` finds, from a caller who knows already.

    Returns
    -------
    Path
        The model folder, `given.out`.

    Raises
    ------
    BadInput
        Nothing to train on, the folder holds a run with other settings or on other data, or another training is writing
        there.
    """
    config = resolve(given)
    accelerator = make_accelerator(config.device)
    if config.batch_size % accelerator.num_processes:
        raise BadInput(
            "--batch-size",
            f"{config.batch_size} cannot be shared by {accelerator.num_processes} processes",
            "give a multiple",
        )
    check_trackers(config.track, config.out)
    console = console if accelerator.is_main_process else None
    if found is None:
        with accelerator.main_process_first():
            found = training_source(
                config, console=console
            )  # before the folder is claimed: a mistyped path must not leave a run behind
    finished = (config.out / CONFIG).is_file()  # then nothing is written, and nobody else is kept from it
    if not finished and not found.looked_at:
        with accelerator.main_process_first():
            found = look_first(config, found, console)  # before it, too: a wrong reading must not become the run's
    given = fitted_to_objects(given, found, None if finished else console)
    config = resolve(given)
    if given.minutes is not None and (not finished or (config.out / "training" / "plan.json").is_file()):
        config = planned(given, found, accelerator, console)
    locked = accelerator.is_main_process and not finished
    with exclusive(config.out / "training" / "run.lock", config.out, "training") if locked else nullcontext():
        if accelerator.is_main_process:
            claim_run(config, found.pairs, console)
        if locked:
            remove_leftovers(config.out, ("training",))
        accelerator.wait_for_everyone()
        if not finished:
            _Run(config, found, accelerator, console).finish()
        elif console:
            console.print(f"{config.out} already holds the finished model of this run.")
    return config.out


@dataclass(frozen=True)
class _Run:
    """A claimed run, and what all of its parts need."""

    config: ResolvedTrainConfig
    source: TrainingSource
    accelerator: Accelerator
    console: Console | None

    @property
    def folder(self) -> Path:
        """Folder of what the run keeps while it goes on."""
        return self.config.out / "training"

    @property
    def labels(self) -> LabelSpace:
        """The classes, with the values that stand for them in the masks."""
        return self.source.labels

    def finish(self) -> None:
        """Take the run to its end, from where it stands."""
        train_pairs, validation_pairs = self._usable(self.source.pairs, self.source.problems)
        dataset = PairDataset(
            train_pairs + validation_pairs,
            self.labels,
            self.config.image_size,
            self.config.grid_size,
            AugmentConfig(),
            _VIEW_SEED,
            self.source.pictures,
            self.config.tiles,
        )
        model = new_model(self.config, self.labels).to(self.accelerator.device)
        model.config = dataclasses.replace(model.config, pictures=self.source.pictures.to_dict())
        source = sample_source(self.config, model, dataset, len(train_pairs), self.accelerator, self.console)
        groups = self.source.groups
        of_rows = None if groups is None else [groups[pair.id] for pair in dataset.pairs]
        rows, validation_rows = self._rows(train_pairs, validation_pairs)
        data = TrainingData(source, rows, validation_rows, of_rows, self._repeats(source, rows))
        report = self._optimise(model, data)
        seen, chosen_by = ([dataset.pairs[row] for row in rows] for rows in (data.train_rows, data.validation_rows))
        fit_density(model, self.config, seen, chosen_by, self.accelerator, self.console)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            model.config = dataclasses.replace(model.config, training=report | self._facts(data, dataset))
            save_model(self.config.out, model)
            for spent in (self.folder / "cache", *self.folder.glob("guesser-*")):
                shutil.rmtree(spent, ignore_errors=True)
        self.accelerator.wait_for_everyone()

    def _usable(self, pairs: list[Pair], problems: list[Problem]) -> tuple[list[Pair], list[Pair]]:
        """Training and validation pairs that can be read; the others are listed in `training/problems.json` and counted
        on screen.
        """
        where = self.folder / "problems.json"
        with self.accelerator.main_process_first():
            header = {"data": dataset_fingerprint(pairs), "labels": self.labels.to_dict()}
            with make_progress(self.console) as progress, Journal(self.folder / "checked.jsonl", header) as journal:
                unseen = sum(pair.id not in journal for pair in pairs)
                task = progress.add_task("checking files", total=unseen, visible=unseen > 0)
                usable, unreadable = check_pairs(
                    pairs, self.labels, journal, lambda n: progress.advance(task, n), self.source.pictures
                )
        problems = problems + unreadable
        if self.accelerator.is_main_process:
            write_json(where, [{"id": p.id, "path": p.path, "reason": p.reason} for p in problems])
        if self.console and problems:
            count = f"{len(problems)} pairs cannot be used"
            self.console.print(Text.assemble((count, "yellow"), f", listed with reasons in {where}"))
        train, validation = self._split(usable, problems)
        if self.console:
            counts = f"{len(train)} pairs to train on, {len(validation)} to validate, {len(problems)} unusable."
            self.console.print(counts)
        return train, validation

    def _split(self, usable: list[Pair], problems: list[Problem]) -> tuple[list[Pair], list[Pair]]:
        """Training and validation pairs, neither empty."""
        ids = [pair.id for pair in usable]
        # a fold is left out whole; what it leaves is split by slices, else it may leave no volume to validate on
        groups = self.source.groups if self.config.fold is None else None
        train_ids, validation_ids = map(
            set,
            split_validation(ids, self.config.validation_fraction, groups=groups, whole=self.config.group is not None),
        )
        train = [pair for pair in usable if pair.id in train_ids]
        validation = [pair for pair in usable if pair.id in validation_ids]
        if not train or not validation:
            why = commonest_reason([(problem.id, problem.reason) for problem in problems])
            found = count_files(self.source.pairs, self.source.problems)
            raise BadInput(
                self.config.voc_root or self.config.data or self.config.images or "training data",
                f"has {found}, {len(usable)} usable pairs: too few to train and validate on"
                + (f"; {why}" if why else ""),
                f"all reasons are in {self.folder / 'problems.json'}",
            )
        return train, validation

    def _rows(self, train: list[Pair], validation: list[Pair]) -> tuple[Sequence[int], Sequence[int]]:
        """Which pairs to train and to validate on, as rows of all of them: the fold that is left out keeps its place,
        and its features, in the cache.
        """
        fold, folds = self.config.fold, self.config.folds
        if fold is None:
            return range(len(train)), range(len(train), len(train) + len(validation))
        ids = [pair.id for pair in train], [pair.id for pair in validation]
        train_rows, validation_rows = rows_without_fold(*ids, fold, folds, self.config.seed, self.source.groups)
        if self.console:
            counts = f"{len(train_rows)} to train on, {len(validation_rows)} to validate."
            self.console.print(f"Without fold {fold + 1} of {folds}: {counts}")
        return train_rows, validation_rows

    def _repeats(self, source: SampleSource, rows: Sequence[int]) -> dict[int, float] | None:
        """How often each pair is drawn; None where no picture shows a rare class."""
        if not self.config.rare_below:
            return None
        factors = repeat_factors(source, rows, self.labels, self.config.rare_below)
        more = int((factors > 1).sum())
        if self.console:
            self.console.print(f"{more} pairs show a rare class: drawn up to {factors.max():.1f} times as often.")
        return dict(zip(rows, factors.tolist(), strict=True)) if more else None

    def _optimise(self, model: QualityModel, data: TrainingData) -> dict[str, Any]:
        """Train the model in place, up to the weights of lowest validation loss; returns what is to be said of it."""
        config = self.config
        wrong_masks = self._wrong_masks(model, data) if model.method.uses_segment_noise else None
        task = "training" if config.fold is None else f"training {config.fold + 1} of {config.folds}"
        trainer = Trainer(config, model, data, self.accelerator, self.console, wrong_masks, task)
        title, is_main = config.out.resolve().name, self.accelerator.is_main_process
        with tracking(config.track, self.folder, title, to_json(config), is_main) as trackers:
            report = trainer.run(trackers)
        loss, best = trainer.best_network()
        model.network.load_state_dict(best)
        model.eval()
        return report | {"validation_loss": loss}

    def _wrong_masks(self, model: QualityModel, data: TrainingData) -> WrongMasks:
        """Segment noise of these classes, with guesses of networks that are trained here; they share the encoder."""

        def build(own: ResolvedTrainConfig) -> QualityModel:
            guesser = new_model(own, self.labels)
            guesser.encoder = model.encoder
            return guesser

        looks = class_looks(model, data.source, data.train_rows)
        noise = SegmentNoise(class_swaps(looks, self.labels.foreground), self.labels.background)
        guessers = CrossFitted.train(self.config, build, data, self.accelerator, self.console)
        # An accelerator guesses at a batch at little cost; without numbered views no guess is wanted twice.
        remember = self.accelerator.device.type == "cpu" and self.config.views > 0
        return WrongMasks(noise, RememberedGuesses(guessers.belief) if remember else guessers.belief)

    def _facts(self, data: TrainingData, dataset: PairDataset) -> dict[str, Any]:
        """Facts for config.json: counts of the training pairs, versions and settings."""
        counted: SampleSource = data.source
        if self.config.tiles > 1:  # a picture is not empty where a tile of it is
            counted = PairDataset(dataset.pairs, self.labels, dataset.image_size, dataset.grid_size)
        seen, empty = class_pictures(counted, data.train_rows, self.labels)
        return {
            "train_pairs": len(data.train_rows),
            "validation_pairs": len(data.validation_rows),
            "class_pictures": seen,
            "empty_pictures": empty,
            "segqc": __version__,
            "torch": torch.__version__,
            "config": to_json(self.config),
            "working_directory": str(Path.cwd()),
        }
