"""A callback for Lightning that judges each validation.

    trainer = Trainer(callbacks=[QualityCallback(segqc.load("runs/mine"), module="model")])

Needs the package `lightning`.
"""

from operator import attrgetter
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from segqc.hook.quality_hook import Judge
from segqc.integrations import loggers
from segqc.integrations.epochs import EpochJudge, EpochReport, StopRule


class QualityCallback(Callback):
    """Judge what is predicted in each validation, log the score's distribution and the worst predictions.

    The numbers are logged by `log_dict`, so that every logger has them, and `EarlyStopping` and `ModelCheckpoint` can
    monitor ``segqc/score_mean`` (higher is worse).

    Parameters
    ----------
    qc : QualityControl
    module : str, optional
        Attribute of the LightningModule, such as "model", that is called with pictures and returns masks or scores; by
        default the LightningModule itself, which fits where `validation_step` calls `self(x)`.
    worst : int
        Predictions that are logged with their pictures, at most.
    stop_when : callable, optional
        Called with the `EpochReport` of each validation; training stops when it returns True.
    name : str
        Begins the names of all that is logged.
    **options
        As in `segqc.hook.attach`, such as `mean`, `std`, `classes`, `sample_rate` and `policy`.

    Attributes
    ----------
    reports : list of EpochReport
        One a validation; pictures are kept of the last one only.
    """

    def __init__(
        self,
        qc: Judge,
        module: str | None = None,
        worst: int = 8,
        stop_when: StopRule | None = None,
        name: str = "segqc",
        **options: Any,
    ) -> None:
        super().__init__()
        self.module, self.stop_when, self.name = module, stop_when, name
        self.reports: list[EpochReport] = []
        self._judge = EpochJudge(qc, worst, **options)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach for the time of the validation; the sanity check before training is none."""
        if not trainer.sanity_checking:
            model: nn.Module = pl_module if self.module is None else attrgetter(self.module)(pl_module)
            self._judge.begin(model)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report, log, and stop where the rule says so."""
        if trainer.sanity_checking:
            return
        report = self._judge.end(trainer.current_epoch, trainer.global_step)
        self._judge.close()
        self._keep(report)
        numbers = {f"{self.name}/{name}": value for name, value in report.numbers().items()}
        pl_module.log_dict(numbers, sync_dist=trainer.world_size > 1)
        if trainer.is_global_zero:
            for sink in filter(None, map(_sink, trainer.loggers)):
                sink(report, self._judge.qc.labels, self.name)
        if self.stop_when is not None and self.stop_when(report):
            trainer.should_stop = True

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the model as it was."""
        self._judge.close()

    def _keep(self, report: EpochReport) -> None:
        if self.reports:
            self.reports[-1].worst.clear()
        self.reports.append(report)


def _sink(logger: Any) -> loggers.Sink | None:
    """How a logger of Lightning takes pictures; None for one that takes numbers only."""
    kind = type(logger).__name__
    if kind == "TensorBoardLogger":
        return loggers.tensorboard(logger.experiment)
    if kind == "MLFlowLogger":
        return loggers.mlflow(lambda picture, file: logger.experiment.log_image(logger.run_id, picture, file))
    if kind == "WandbLogger":
        import wandb

        return loggers.wandb(logger.experiment.log, wandb.Image, wandb.Histogram)
    return None
