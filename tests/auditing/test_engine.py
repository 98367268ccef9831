"""The engines of an audit: both call one function from pairs to rows, and either goes on with what the other began."""

import dataclasses
import json
import pickle
import socket
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from command_line import segqc as segqc_command
from dealt import Deal

from evaluation.ranking.comparison import DiceComparison
from segqc.auditing import engine as engine_module
from segqc.auditing.config import AuditConfig
from segqc.auditing.run import AuditReport, audit
from segqc.auditing.worker import ScoringPlan, start_worker
from segqc.base import ray_cluster as ray_module
from segqc.base.errors import BadInput
from segqc.base.ray_cluster import RayCluster


@pytest.fixture
def run(tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path):
    """An audit of the six predictions into a folder."""

    def run(name: str, **changes: Any) -> AuditReport:
        given: dict[str, Any] = {"predictions": tiny_predictions, "voc_root": tiny_voc, "model": tiny_model}
        given |= {"image_set": "val", "device": "cpu", "out": tmp_path / name}
        return audit(AuditConfig(**(given | changes)), DiceComparison())

    return run


def result(out: Path) -> dict[str, bytes]:
    """The files in which neither times nor memory stand."""
    files = [out / name for name in ("scores.csv", "scores.parquet", "objects.csv", "contact_sheet.png")]
    return {str(path.relative_to(out)): path.read_bytes() for path in (*files, *(out / "heatmaps").glob("*.png"))}


def rows(out: Path) -> dict[str, Any]:
    """Finished rows by id, without the stamps of their files' entries in the folder."""
    lines = (out / ".progress" / "rows-0.jsonl").read_text().splitlines()[1:]
    return {line["key"]: line["row"]["row"] for line in map(json.loads, lines)}


def test_workers_in_any_order_write_what_one_process_writes(run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("whole").out
    deal = Deal(2)
    monkeypatch.setattr(engine_module, "ray_cluster", lambda *_: nullcontext(deal))
    dealt = run("dealt", engine="ray").out
    assert list(rows(dealt)) == list(rows(whole))[::-1]
    assert rows(dealt) == rows(whole)
    assert result(dealt) == result(whole)
    (dealt / ".progress" / "rows-0.jsonl").write_text(
        "".join((dealt / ".progress" / "rows-0.jsonl").read_text().splitlines(keepends=True)[:4])
    )
    assert run("dealt").summary["config"]["engine"] == "local", "one engine goes on with what the other began"
    assert result(dealt) == result(whole)
    assert run("whole", engine="ray").summary["pairs_per_second"] is None, "nothing is scored again"
    plan: ScoringPlan = deal.started[0].args[0]
    with pytest.raises(BadInput, match=r"is another model on .* than where the audit was started"):
        start_worker(dataclasses.replace(plan, fingerprint="other"), "cpu")


def test_without_ray_one_line_says_what_to_install(
    tiny_voc: Path, tiny_predictions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    given = ("audit", "--predictions", tiny_predictions, "--voc-root", tiny_voc, "--out", tmp_path / "out")
    done = segqc_command(*given, "--engine", "ray")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "--engine: ray needs Ray Data, which is not installed" in done.stderr
    assert "(pip install 'segqc[ray]', or use local)" in done.stderr
    assert not (tmp_path / "out").exists()


def test_settings_that_do_not_go_with_an_engine_are_refused(run, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="ray_address 'auto' applies only to the engine ray"):
        run("out", ray_address="auto")
    with pytest.raises(ValueError, match="Unknown engine 'spark'; choose one of local, ray"):
        run("out", engine="spark")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadInput, match="ray divides the work itself, but torchrun has divided it"):
        run("out", engine="ray")


class FakeRay:
    """What a connected cluster tells of itself."""

    def __init__(self, **resources: float) -> None:
        self.resources = resources

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def nodes(self) -> list[dict[str, bool]]:
        return [{"Alive": True}, {"Alive": False}, {"Alive": True}]


@pytest.mark.parametrize(
    ("device", "resources", "expected"),
    [
        (None, {"CPU": 8.0}, RayCluster("cpu", 8, 2)),
        (None, {"CPU": 8.0, "GPU": 2.0}, RayCluster("cuda", 2, 2)),
        ("cpu", {"CPU": 8.0, "GPU": 2.0}, RayCluster("cpu", 8, 2)),
        ("cuda", {"CPU": 8.0}, "--device: the Ray cluster has no GPU"),
        ("cuda:1", {"CPU": 8.0, "GPU": 2.0}, "--device: cuda:1 is no device of Ray's workers"),
        (None, {}, "--ray-address: the Ray cluster has no CPU"),
    ],
)
def test_a_worker_for_each_core_or_accelerator(device, resources, expected) -> None:
    fake: Any = FakeRay(**resources)
    if isinstance(expected, RayCluster):
        assert ray_module._workers(fake, device) == expected
        return
    with pytest.raises(BadInput, match=expected):
        ray_module._workers(fake, device)


def test_an_address_where_nobody_listens_is_refused_at_once() -> None:
    with socket.socket() as taken:  # and not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BadInput, match=f"--ray-address: there is no Ray cluster at {address}: .*refused"):
            ray_module._connect(cast("ModuleType", FakeRay()), address)


def test_workers_send_errors_back_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # which the workers leave

    def start(device: str):
        if device == "none":
            raise BadInput("--device", "there is none")
        return lambda items: [item * 2 for item in items]

    def ask(device: str, folder: Path) -> Any:
        batch = {"item": [pickle.dumps(number) for number in (1, 2)]}
        answer = [pickle.loads(found) for found in ray_module._Worker(start, device, folder)(batch)["result"]]
        return answer if device == "cpu" and folder == tmp_path else str(answer[0].error)

    assert ask("cpu", tmp_path) == [2, 4]
    assert ask("none", tmp_path) == "--device: there is none"
    assert "is not there on" in ask("cpu", tmp_path / "elsewhere")


def test_an_audit_by_ray_goes_on_with_a_local_one(run) -> None:
    pytest.importorskip("ray.data", reason="ray is not installed")
    whole, begun = run("whole").out, run("begun").out
    part = begun / ".progress" / "rows-0.jsonl"
    part.write_text("".join(part.read_text().splitlines(keepends=True)[:3]))
    assert run("begun", engine="ray").summary["pairs_per_second"] is not None
    assert result(begun) == result(whole)
