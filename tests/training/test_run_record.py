"""A run goes on, or hands out its model, only on the data that it was begun with."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest
from tiny import train_config, write_pairs

from segqc.base.errors import BadInput
from segqc.data.pairs import Pair
from segqc.training.config import TrainConfig
from segqc.training.run_record import claim_run


@pytest.fixture
def run(tmp_path: Path) -> tuple[TrainConfig, list[Pair]]:
    """A run that has begun on four pairs."""
    config, pairs = train_config(tmp_path / "run"), write_pairs(tmp_path / "data", 4)
    claim_run(config, pairs)
    return config, pairs


def record(config: TrainConfig) -> Path:
    return config.out / "training" / "run.json"


def replaced(path: Path, content: bytes) -> None:
    """Other bytes under the same name, as old and as large as before: as from an archive."""
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_the_same_pairs_go_on_and_leave_the_record_alone(run) -> None:
    config, pairs = run
    before = record(config).read_bytes()
    claim_run(config, pairs)
    assert record(config).read_bytes() == before


@pytest.mark.parametrize("part", ["image", "mask"])
def test_a_replaced_file_is_refused_even_when_size_and_time_are_the_same(run, part: str) -> None:
    config, pairs = run
    path = getattr(pairs[2], part)
    replaced(path, bytes(path.stat().st_size))
    with pytest.raises(
        BadInput, match=r"other data: .* changed since it began \(choose another --out, or delete the folder\)"
    ):
        claim_run(config, pairs)


def test_a_pair_more_or_less_or_under_another_id_is_refused(run) -> None:
    config, pairs = run
    for other in (
        pairs[:3],
        [*pairs, dataclasses.replace(pairs[0], id="more")],
        [dataclasses.replace(pairs[0], id="other"), *pairs[1:]],
    ):
        with pytest.raises(BadInput, match="other data"):
            claim_run(config, other)


def test_the_same_data_elsewhere_and_of_other_times_is_the_same_data(run, tmp_path: Path) -> None:
    config, pairs = run
    elsewhere = shutil.copytree(tmp_path / "data", tmp_path / "elsewhere", copy_function=shutil.copyfile)
    moved = [
        Pair(pair.id, elsewhere / "images" / pair.image.name, elsewhere / "masks" / pair.mask.name) for pair in pairs
    ]
    claim_run(config, moved)
    moved[0].mask.write_bytes(moved[1].mask.read_bytes())
    with pytest.raises(BadInput, match="other data"):
        claim_run(config, moved)


def test_a_missing_file_is_other_data_and_no_crash(run) -> None:
    config, pairs = run
    pairs[1].mask.unlink()
    with pytest.raises(BadInput, match="other data"):
        claim_run(config, pairs)


def test_a_record_from_before_pairs_were_kept_goes_on_by_its_settings(run) -> None:
    config, pairs = run
    settings = json.loads(record(config).read_text())
    del settings["pairs"]
    record(config).write_text(json.dumps(settings))
    claim_run(config, pairs[:2])
    assert json.loads(record(config).read_text()) == settings
    with pytest.raises(BadInput, match="seed was 0, now 1"):
        claim_run(dataclasses.replace(config, seed=1), pairs)


def test_a_model_without_its_run_is_not_taken_for_this_runs(tmp_path: Path) -> None:
    config = train_config(tmp_path / "run")
    config.out.mkdir()
    (config.out / "config.json").write_text("{}")
    with pytest.raises(BadInput, match="not the run that made it"):
        claim_run(config, write_pairs(tmp_path / "data", 2))
    assert not record(config).exists()


def test_a_run_that_began_before_a_setting_was_there_goes_on(run) -> None:
    config, pairs = run
    there = json.loads(record(config).read_text())
    for name in ("detail", "group", "minutes"):
        del there[name]
    record(config).write_text(json.dumps(there))
    claim_run(config, pairs)
    with pytest.raises(BadInput, match="detail was True, now False"):
        claim_run(dataclasses.replace(config, detail=False), pairs)
