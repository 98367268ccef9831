"""What the hook costs, as a share of the segmenter's own time.

    python scripts/bench_hook.py [--model voc --model runs/voc ...] [--side 520] [--rounds 15]

The segmenter is torchvision's DeepLabV3-MobileNetV3-Large (random weights: time does not depend on them) on one picture
of side x side pixels, 520 being torchvision's own size. By default the two models that come with segqc are timed.

Each round runs every setting once, in turn, so that whatever else the machine does hits all of them; times are CPU
times of one thread. Printed is the median over the rounds of (time with the hook / time without) - 1, and where the
time goes: reading the tensors (undoing the normalisation, argmax) and judging (squashing to the grid, quality model; no
heat map, since they are drawn when asked for). `pipeline's thread` is what is left on the thread of the pipeline when a
thread of its own does the work and drops what it cannot do; on a machine whose cores the segmenter uses up, that work
still takes their time.

Expected time: one to three minutes on one core. Expected result on a quiet machine (258 ms of CPU time for the
segmenter; another time 32 % and 20 %; with PyTorch in place of ONNX Runtime about 40 % and 20 %):

    hook      overhead  reading  judging
    voc       29%       5%       24%
    voc-fast  17%       5%       12%

The parts are measured apart, with warm caches; what they leave of the overhead is what the segmenter and the quality
model take from each other's.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
import torchvision
from PIL import Image
from rich.console import Console
from rich.table import Table

import segqc
from segqc.hook.outputs import MaskReader
from segqc.hook.pictures import IMAGENET_MEAN, IMAGENET_STD, PictureReader
from segqc.model.catalogue import BUNDLED_MODELS
from segqc.quality_control import QualityControl


def seconds(function: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    started = clock()
    function()
    return clock() - started


def parts(qc: QualityControl, x: torch.Tensor, output: dict[str, torch.Tensor]) -> dict[str, Callable[[], object]]:
    """The steps of one judged prediction, to be timed apart."""
    pictures, masks, size = PictureReader(), MaskReader(qc.labels), (x.shape[2], x.shape[3])
    image, mask = pictures.read(x[0]), masks.read(output["out"][0], size)
    return {
        "reading": lambda: (pictures.read(x[0]), masks.read(output["out"][0], size)),
        "judging": lambda: qc.judge_pair(Image.fromarray(image), mask),
    }


def bench(models: Mapping[str, QualityControl], side: int, rounds: int) -> tuple[float, dict[str, dict[str, float]]]:
    """The segmenter's own median time in seconds, and, per setting, the overhead and its parts as shares of it."""
    segmenter = torchvision.models.segmentation.deeplabv3_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=21
    ).eval()
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (IMAGENET_MEAN, IMAGENET_STD))
    x = ((torch.from_numpy(np.array(photo)).permute(2, 0, 1) / 255 - mean) / std)[None]
    times: dict[str, dict[str, list[float]]] = {}

    def run(
        name: str, part: str, function: Callable[[], object], clock: Callable[[], float] = time.process_time
    ) -> None:
        times.setdefault(name, {}).setdefault(part, []).append(seconds(function, clock))

    with torch.inference_mode():
        output = segmenter(x)
        steps = {name: parts(qc, x, output) for name, qc in models.items()}
        for place in range(rounds + 2):
            if place == 2:  # two rounds to warm up
                times.clear()
            run("alone", "total", lambda: segmenter(x))
            for name, qc in models.items():
                with qc.attach(segmenter) as handle:
                    run(name, "total", lambda: segmenter(x))
                    assert handle.counts.scored == 1, handle.errors
                for part, step in steps[name].items():
                    run(name, part, step)
                with qc.attach(segmenter, background=True, queue_size=1) as handle:
                    run(name, "background", lambda: segmenter(x), time.thread_time)
    alone = times.pop("alone")["total"]
    shares = {}
    for name, found in times.items():
        ratios = {
            part: [value / reference for value, reference in zip(values, alone, strict=True)]
            for part, values in found.items()
        }
        shares[name] = {part: statistics.median(values) for part, values in ratios.items()}
        shares[name]["total"] -= 1
        shares[name]["background"] -= 1
    return statistics.median(alone), shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help="model folder, or the name of one that comes with segqc")
    parser.add_argument("--side", type=int, default=520, help="of the segmenter's input, px")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    torch.set_num_threads(1)
    models = {name: segqc.load(name, device="cpu") for name in given.model or BUNDLED_MODELS}
    alone, shares = bench(models, given.side, given.rounds)
    table = Table("hook", "overhead", "reading", "judging", "pipeline's thread")
    for name, found in shares.items():
        table.add_row(name, *(f"{found[part]:.0%}" for part in ("total", "reading", "judging", "background")))
    console = Console(width=140)
    console.print(table)
    setting = f"{given.side} px, {given.rounds} rounds"
    console.print(f"Shares of the segmenter's own {1000 * alone:.0f} ms of CPU time a picture ({setting}).")


if __name__ == "__main__":
    main()
