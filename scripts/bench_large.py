"""What a large audit takes: memory and time of `segqc audit` and of the commands that read it, by number of pairs.

    python scripts/bench_large.py --pairs 1000 100000 --out WORK [--scored 1200] [--plot memory.png]
    python scripts/bench_large.py --pairs 10000 --out WORK --model voc --voc-root VOCdevkit --predictions deeplab_out \\
        --heatmaps

The pairs are links to few pictures. By default these are 200 rendered scenes of 88 x 66 px, and the model has random
weights and few layers, behind the interface of any other. With --voc-root, --predictions and --model they are the VOC
pictures that the predictions are of. The first pairs have the predictions themselves (the scenes have their true
masks), the later ones copies with a planted error of `evaluation.corruption`, another one for each copy, up to
--variants of each picture; from there on the masks repeat. All pairs have ground truth.

With --scored N only N pairs are scored for each audit and the finished rows of the others are dealt from theirs; N has
to be a multiple of the number of different masks. What is then measured is what grows beside the network: reading the
folders, ranking, tables, and the review page with its pictures. Without it every pair is scored.

Each command is a process of its own, whose resident memory is read ten times a second and kept in WORK/memory; --plot
draws all audits that are there. Prints a table in Markdown: seconds, CPU seconds and highest memory of each command.
Expected time: 10 ms of CPU a pair without scoring, 25 ms with; 250 ms with `voc` and heat maps. Expected result:
docs/large.md.
"""

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from evaluation.corruption.context import Context
from evaluation.corruption.corruptions import CORRUPTIONS, corrupt
from segqc.base.journal import Journal
from segqc.base.parts import part_path
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.masks import read_mask, write_mask
from segqc.data.voc import find_voc
from segqc.demo.scenes import DEMO_LABELS, render_dataset
from segqc.model.folder import save_model
from segqc.model.quality_model import QualityModel
from segqc.training.config import TrainConfig
from segqc.training.design import model_config
from segqc.training.resolved import resolve

SCENES = 200
EXPORTED = 1000
KINDS = ("pictures", "masks", "truths")
ERRORS = [
    (corruption, strength)
    for strength in (1, 2, 3)
    for name, corruption in CORRUPTIONS.items()
    if name != "other_mask"  # donors are a data set's
]


class Source(NamedTuple):
    """A picture, the mask predicted for it, and the true one."""

    picture: Path
    prediction: Path
    truth: Path


class Spent(NamedTuple):
    """What a command took: seconds, CPU seconds, highest resident memory in MiB."""

    seconds: float
    cpu: float
    peak: float


def make_model(folder: Path, labels: LabelSpace) -> None:
    """A model of few layers and random weights, which reads, scores and names objects as any other."""
    torch.manual_seed(0)
    training = TrainConfig(method="structured", preset="cpu", image_size=64, grid_size=16, encoder="test_efficientnet")
    config = model_config(resolve(dataclasses.replace(training, out=folder)), labels)
    small = dataclasses.replace(config.network, channels=8, channel_mult=(1, 2), context_width=8)
    model = QualityModel(dataclasses.replace(config, network=small), pretrained=False)
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    save_model(folder, model.eval())


def rendered_sources(folder: Path) -> list[Source]:
    """Rendered scenes, whose predictions are their true masks; rendered once."""
    if not folder.is_dir():
        render_dataset(folder, train=1, audit=SCENES - 1, size=(88, 66))
    masks = sorted((folder / "SegmentationClass").iterdir())
    return [Source(folder / "JPEGImages" / f"{mask.stem}.jpg", mask, mask) for mask in masks]


def voc_sources(voc_root: Path, predictions: Path) -> list[Source]:
    """The VOC pictures that there are predictions of."""
    voc = find_voc(voc_root)
    return [
        Source(voc.images / f"{mask.stem}.jpg", mask, voc.masks / f"{mask.stem}.png")
        for mask in sorted(predictions.glob("*.png"))
    ]


def write_variants(sources: Sequence[Source], folder: Path, labels: LabelSpace, count: int) -> None:
    """Write `count` masks as `<number>.png`: the predictions, then copies of them with a planted error; once each."""
    folder.mkdir(parents=True, exist_ok=True)
    context = Context(labels.num_classes, labels.background)
    for number in range(count):
        path = folder / f"{number}.png"
        if path.is_file():
            continue
        variant, place = divmod(number, len(sources))
        mask = read_mask(sources[place].prediction, labels)
        if variant:
            error, strength = ERRORS[(variant + place) % len(ERRORS)]
            corrupted = corrupt(mask, str(place), error, strength, variant, context)
            mask = mask if corrupted is None else corrupted.mask
        write_mask(path, mask, labels)


def link_pairs(sources: Sequence[Source], variants: Path, different: int, folder: Path, count: int) -> None:
    """Link pictures, masks and true masks of so many ids; `different` is the number of masks in `variants`."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        source = sources[number % len(sources)]
        files = source.picture, variants / f"{number % different}.png", source.truth
        for kind, file in zip(KINDS, files, strict=True):
            link = folder / kind / f"{number:07d}{file.suffix}"
            if not link.is_symlink():
                link.symlink_to(file.resolve())


def deal_rows(out: Path, scored: int, count: int) -> None:
    """Give all pairs the finished rows of the first `scored`, which are of the same files."""
    path = part_path(out / ".progress", "rows", 0)
    header = json.loads(path.open().readline())["header"]
    first = Journal(path, header)
    known = [json.dumps(first.rows[f"{number:07d}"]) for number in range(scored)]
    path.unlink()
    with Journal(path, header) as journal:
        for number in range(count):
            # The id is also the name of the files.
            entry = known[number % scored].replace(f"{number % scored:07d}", f"{number:07d}")
            journal.append(f"{number:07d}", json.loads(entry))


def measure(arguments: Sequence[Any], samples: Path) -> Spent:
    """Run a command of segqc and watch its memory, which is written to `samples` as lines of seconds and MiB."""
    samples.parent.mkdir(exist_ok=True)
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "segqc", *map(str, arguments)], stdout=subprocess.DEVNULL)
    with samples.open("w", buffering=1) as stream:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            resident = next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)
            stream.write(f"{time.monotonic() - started:.1f} {resident:.1f}\n")
            time.sleep(0.1)
    if status:
        raise SystemExit(f"segqc {' '.join(map(str, arguments))} ended with {os.waitstatus_to_exitcode(status)}")
    return Spent(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def commands(folder: Path, train: Path) -> dict[str, list[Any]]:
    """The commands that read the audit of `folder`, by name; `train` holds what baselines learn from."""
    audit = folder / "audit"
    learnt = ["--train-images", train / "pictures", "--train-masks", train / "truths", "--deep-svdd", "none"]
    return {
        "export": ["--audit", audit, "--to", "csv", "--top", EXPORTED, "--out", folder / "queue"],
        "calibrate": ["--audit", audit, "--out", folder / "calibration.json"],
        "monitor": [audit, "--calibration", folder / "calibration.json", "--plot", folder / "drift.png"],
        "evaluate": ["--audit", audit, *learnt, "--device", "cpu", "--out", folder / "evaluation"],
        "gallery": ["--audit", audit],
    }


def plot(path: Path, folder: Path) -> None:
    """Memory of each audit of `folder` over its time."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for count, file in sorted((int(file.stem.split("-")[0]), file) for file in folder.glob("*-audit.txt")):
        seconds, memory = zip(*(map(float, line.split()) for line in file.read_text().splitlines()), strict=True)
        axes.plot([100 * second / seconds[-1] for second in seconds], memory, label=f"{count:,} pairs", lw=1.2)
    axes.set(xlabel="time (% of the audit)", ylabel="resident memory (MiB)", ylim=(0, None), xlim=(0, 100))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[1000, 10000], help="numbers of pairs")
    parser.add_argument("--scored", type=int, help="pairs that are scored (default: all)")
    parser.add_argument("--variants", type=int, default=6, help="different masks for each picture (default 6)")
    parser.add_argument("--voc-root", type=Path, help="VOC folder, in place of the rendered scenes")
    parser.add_argument("--predictions", type=Path, help="with --voc-root: masks predicted for VOC pictures")
    parser.add_argument("--model", help="with --voc-root: name or folder of the model")
    parser.add_argument("--heatmaps", action="store_true", help="write heat maps")
    parser.add_argument("--out", type=Path, required=True, help="folder to work in")
    parser.add_argument("--plot", type=Path, help="PNG of the memory over time")
    given = parser.parse_args()
    if len({given.voc_root is None, given.predictions is None, given.model is None}) > 1:
        parser.error("--voc-root, --predictions and --model go together")
    if given.voc_root is None:
        sources, labels, model = rendered_sources(given.out / "scenes"), DEMO_LABELS, given.out / "model"
        if not (model / "config.json").is_file():
            make_model(model, labels)
    else:
        sources, labels, model = voc_sources(given.voc_root, given.predictions), VOC_LABELS, given.model
    train = given.out / "train"
    link_pairs(sources, given.out / "variants", len(sources), train, len(sources))
    print("| pairs | command | seconds | CPU seconds | highest memory (MiB) |\n|---|---|---|---|---|", flush=True)
    for count in given.pairs:
        different = min(count, len(sources) * given.variants)
        write_variants(sources, given.out / "variants", labels, different)
        folder, out = given.out / str(count), given.out / str(count) / "audit"
        audit = ["audit", "--model", model, "--device", "cpu", "--out", out]
        audit += ["--heatmaps" if given.heatmaps else "--no-heatmaps"]
        files = ("--images", "--predictions", "--ground-truth")
        audit += [word for kind, option in zip(KINDS, files, strict=True) for word in (option, folder / kind)]
        shutil.rmtree(folder, ignore_errors=True)
        if given.scored is not None:
            if given.scored % different:
                parser.error(f"--scored has to be a multiple of {different}, the number of different masks")
            link_pairs(sources, given.out / "variants", different, folder, given.scored)
            measure(audit, given.out / "memory" / f"{count}-scored.txt")
            deal_rows(out, given.scored, count)
        link_pairs(sources, given.out / "variants", different, folder, count)
        runs = {"audit": audit} | {name: [name, *rest] for name, rest in commands(folder, train).items()}
        for name, arguments in runs.items():
            spent = measure(arguments, given.out / "memory" / f"{count}-{name}.txt")
            print(f"| {count:,} | {name} | {spent.seconds:.0f} | {spent.cpu:.0f} | {spent.peak:.0f} |", flush=True)
    if given.plot is not None:
        plot(given.plot, given.out / "memory")


if __name__ == "__main__":
    main()
