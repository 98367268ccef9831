"""A callback for the Trainer of Hugging Face that judges each evaluation.

    trainer = Trainer(model=model, ...)
    callback = add_quality_callback(trainer, segqc.load("runs/mine"), image_processor=processor)

Needs the package `transformers`.
"""

from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from segqc.hook.quality_hook import Judge
from segqc.integrations import loggers
from segqc.integrations.epochs import EpochJudge, EpochReport, StopRule


def add_quality_callback(
    trainer: Trainer,
    qc: Judge,
    worst: int = 8,
    stop_when: StopRule | None = None,
    name: str = "eval_segqc",
    **options: Any,
) -> "QualityCallback":
    """Judge what a Trainer's model predicts in each evaluation, log the score's distribution and the worst predictions.

    The numbers go to the Trainer's log and into the metrics of the evaluation, so that
    ``metric_for_best_model="eval_segqc_score_mean"`` (with ``greater_is_better=False``: higher is worse) chooses by
    them.

    Parameters
    ----------
    trainer : transformers.Trainer
    qc : QualityControl
    worst : int
        Predictions that are logged with their pictures, at most.
    stop_when : callable, optional
        Called with the `EpochReport` of each evaluation; training stops when it returns True.
    name : str
        Begins the names of all that is logged.
    **options
        As in `segqc.hook.attach`, such as `image_processor`, `classes`, `sample_rate` and `policy`.

    Returns
    -------
    QualityCallback
        Already added; its `reports` hold one `EpochReport` an evaluation.
    """
    callback = QualityCallback(trainer, EpochJudge(qc, worst, **options), stop_when, name)
    trainer.add_callback(callback)
    return callback


class QualityCallback(TrainerCallback):
    """See `add_quality_callback`.

    Attributes
    ----------
    reports : list of EpochReport
        One an evaluation; pictures are kept of the last one only.
    """

    def __init__(self, trainer: Trainer, judge: EpochJudge, stop_when: StopRule | None, name: str) -> None:
        self.reports: list[EpochReport] = []
        self._trainer, self._judge, self._stop_when, self._name = trainer, judge, stop_when, name
        judge.begin(trainer.model)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """A training step is not judged."""
        self._pause(True)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """What comes now may be an evaluation."""
        self._pause(False)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Report, log, and stop where the rule says so."""
        report = self._judge.end(state.epoch or 0.0, state.global_step)
        if self.reports:
            self.reports[-1].worst.clear()
        self.reports.append(report)
        numbers = {f"{self._name}_{name}": value for name, value in report.numbers().items()}
        kwargs["metrics"].update(numbers)
        self._trainer.log(dict(numbers))
        if state.is_world_process_zero:
            for sink in filter(None, map(_sink, self._trainer.callback_handler.callbacks)):
                sink(report, self._judge.qc.labels, self._name)
        if self._stop_when is not None and self._stop_when(report):
            control.should_training_stop = True

    def on_predict(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: Any, **kwargs: Any
    ) -> None:
        """A prediction is no evaluation, and not part of the next one."""
        self._judge.end(state.epoch or 0.0, state.global_step)

    def close(self) -> None:
        """Leave the model as it was; later evaluations are not judged."""
        self._judge.close()

    def _pause(self, paused: bool) -> None:
        if self._judge.handle is not None:
            self._judge.handle.paused = paused


def _sink(callback: Any) -> loggers.Sink | None:
    """How a reporting callback of the Trainer takes pictures; None for one that takes numbers only."""
    kind = type(callback).__name__
    if kind == "TensorBoardCallback" and callback.tb_writer is not None:
        return loggers.tensorboard(callback.tb_writer)
    if kind == "MLflowCallback":
        return loggers.mlflow(callback._ml_flow.log_image)
    if kind == "WandbCallback":
        wandb = callback._wandb
        return loggers.wandb(wandb.log, wandb.Image, wandb.Histogram)
    return None
