"""Hugging Face's own Trainer on a tiny SegFormer: each evaluation is judged, logged, and may stop the training."""

import warnings

import numpy as np
import pytest
import torch
from tiny import LABELS, tiny_model
from torch.utils.data import Dataset

from segqc.quality_control import QualityControl

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

from segqc.integrations.transformers import add_quality_callback  # noqa: E402

SIZE = (32, 32)


class Pairs(Dataset):
    """Noise as pictures and as masks."""

    def __init__(self, count: int) -> None:
        draw = torch.Generator().manual_seed(0)
        self.items = [
            {
                "pixel_values": torch.rand(3, *SIZE, generator=draw) * 2 - 1,
                "labels": torch.randint(0, 4, SIZE, generator=draw),
            }
            for _ in range(count)
        ]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        return self.items[place]


@pytest.fixture(scope="module")
def qc() -> QualityControl:
    return QualityControl(tiny_model())


def segformer():
    torch.manual_seed(0)
    config = transformers.SegformerConfig(
        num_labels=LABELS.num_classes, depths=[1] * 4, hidden_sizes=[8, 16, 16, 32], decoder_hidden_size=16,
        num_attention_heads=[1, 1, 2, 2],
    )  # fmt: skip
    return transformers.SegformerForSemanticSegmentation(config)


def make_trainer(folder, **options):
    settings = {
        "per_device_train_batch_size": 2, "per_device_eval_batch_size": 2, "num_train_epochs": 2, "use_cpu": True,
        "eval_strategy": "epoch", "report_to": [], "disable_tqdm": True, "save_strategy": "no", "logging_steps": 1,
    }  # fmt: skip
    return transformers.Trainer(
        model=segformer(),
        args=transformers.TrainingArguments(str(folder / "out"), **(settings | options)),
        train_dataset=Pairs(4),
        eval_dataset=Pairs(3),
    )


def test_each_evaluation_is_judged_and_logged(qc, tmp_path, monkeypatch):
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
    trainer = make_trainer(
        tmp_path, report_to=["tensorboard"], save_strategy="epoch", load_best_model_at_end=True,
        metric_for_best_model="eval_segqc_score_mean", greater_is_better=False,
    )  # fmt: skip
    callback = add_quality_callback(trainer, qc, worst=2, mean=0.5, std=0.5)
    with warnings.catch_warnings(action="ignore"):
        trainer.train()
    assert [(report.epoch, report.step, len(report.scores)) for report in callback.reports] == [(1, 2, 3), (2, 4, 3)]
    logged = [entry["eval_segqc_score_mean"] for entry in trainer.state.log_history if "eval_segqc_score_mean" in entry]
    np.testing.assert_allclose(logged, [report.scores.mean() for report in callback.reports])
    assert trainer.state.best_metric == pytest.approx(min(logged))
    board = EventAccumulator(str(tmp_path / "board"), size_guidance={"images": 0}).Reload()
    assert {"eval_segqc/worst_0", "eval_segqc/worst_1"} == set(board.Tags()["images"])
    assert "eval/segqc_score_mean" in board.Tags()["scalars"]
    # an evaluation by itself, and after a prediction that is none
    with warnings.catch_warnings(action="ignore"):
        trainer.predict(Pairs(2))
        metrics = trainer.evaluate()
    pixels = torch.stack([item["pixel_values"] for item in Pairs(3).items])
    with torch.inference_mode():
        logits = trainer.model(pixel_values=pixels).logits
    callback.close()
    expected = [verdict.score for verdict in qc(pixels / 2 + 0.5, logits)]
    np.testing.assert_allclose(callback.reports[-1].scores, expected, atol=1e-4)
    assert metrics["eval_segqc_judged"] == 3
    assert not trainer.model._forward_hooks


def test_a_rule_stops_the_training(qc, tmp_path):
    trainer = make_trainer(tmp_path, num_train_epochs=5)
    callback = add_quality_callback(trainer, qc, stop_when=lambda report: report.epoch >= 2, mean=0.5, std=0.5)
    with warnings.catch_warnings(action="ignore"):
        trainer.train()
    assert len(callback.reports) == 2
