"""Experiment loggers, by what they can do: pictures and histograms go to TensorBoard, MLflow and Weights & Biases."""

from collections.abc import Callable
from typing import Any

import numpy as np

from segqc.data.labels import LabelSpace
from segqc.integrations.epochs import EpochReport, caption, draw

Sink = Callable[[EpochReport, LabelSpace, str], None]
"""Logs the pictures of a report under a name."""


def tensorboard(writer: Any) -> Sink:
    """Pictures, captions and a histogram, by a `SummaryWriter`."""

    def log(report: EpochReport, labels: LabelSpace, name: str) -> None:
        if len(report.scores):
            writer.add_histogram(f"{name}/scores", report.scores, report.step)
        for place, item in enumerate(report.worst):
            writer.add_image(f"{name}/worst_{place}", draw(item, labels), report.step, dataformats="HWC")
            writer.add_text(f"{name}/worst_{place}", caption(item), report.step)

    return log


def mlflow(log_image: Callable[[np.ndarray, str], Any]) -> Sink:
    """Pictures as artifacts, by a function of a picture and a file name."""

    def log(report: EpochReport, labels: LabelSpace, name: str) -> None:
        for place, item in enumerate(report.worst):
            log_image(draw(item, labels), f"{name}/step_{report.step:08d}_worst_{place}.png")

    return log


def wandb(log: Callable[[dict[str, Any]], Any], image: Callable[..., Any], histogram: Callable[..., Any]) -> Sink:
    """Pictures with captions and a histogram, by `wandb.log`, `wandb.Image` and `wandb.Histogram`."""

    def send(report: EpochReport, labels: LabelSpace, name: str) -> None:
        entry: dict[str, Any] = {f"{name}/worst": [image(draw(i, labels), caption=caption(i)) for i in report.worst]}
        if len(report.scores):
            entry[f"{name}/scores"] = histogram(report.scores)
        log(entry)

    return send
