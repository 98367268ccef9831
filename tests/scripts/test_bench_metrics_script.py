"""scripts/bench_metrics.py: it measures what it says, and its numbers are medpy's."""

import re
from pathlib import Path

import pytest
from command_line import script

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench_metrics.py"


def run(*arguments: object) -> str:
    result = script(SCRIPT, *arguments)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


def differences(printed: str) -> list[float]:
    return [
        float(number) for number in re.findall(r"largest difference to medpy in dice, assd and hd95: (\S+)", printed)
    ]


@pytest.mark.parametrize("turns", [(), ("--alternate",)])
def test_synthetic_masks(turns: tuple[str, ...]) -> None:
    pytest.importorskip("medpy")
    printed = run("--synthetic", 2, "--repeats", 1, *turns)
    assert re.search(r"segqc\W+[\d.]+\W+[\d.]+\W+1\.0 \(1\.0 to 1\.0\)", printed)
    assert re.search(r"medpy\W+[\d.]+\W+[\d.]+\W+\d+\.\d", printed)
    assert max(differences(printed)) < 1e-9


def test_several_folders_of_real_masks_in_one_run(voc_root: Path, shared_data: Path) -> None:
    pytest.importorskip("medpy")
    folders = sorted((shared_data / "voc" / "deeplab_out").iterdir())
    printed = run("--synthetic", 1, "--images", 3, "--repeats", 1, "--voc-root", voc_root, "--predictions", *folders)
    assert len(differences(printed)) == 1 + len(folders) > 2
    assert max(differences(printed)) < 1e-9
    assert all(f"{folder.name} on val: 3 images" in printed for folder in folders)


def test_predictions_need_their_ground_truth(tmp_path: Path) -> None:
    result = script(SCRIPT, "--predictions", tmp_path)
    assert result.returncode == 2
    assert "belong together" in result.stderr
