"""The command line: each command fills in one config dataclass and calls one function."""

import io
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from segqc.base.console import console, error_console, wrote
from segqc.base.errors import BadInput, describe_os_error
from segqc.base.version import __version__
from segqc.cli import audit as cli_audit
from segqc.cli import calibration as cli_calibration
from segqc.cli import review as cli_review
from segqc.cli import tabular as cli_tabular
from segqc.cli.options import Device, Images, VocRoot
from segqc.training.config import TrainConfig

app = typer.Typer(
    name="segqc",
    help="Find the wrong predictions of a segmentation model, worst first, without ground truth.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

_TRAIN = TrainConfig()
_EVALUATED = ("spearman", "auroc", "dice_top")  # measures on the console; the report has all


def _version(show: bool) -> None:
    if show:
        console.print(f"segqc {__version__}")
        raise typer.Exit


@app.callback()
def _segqc(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: segqc train --voc-root VOCdevkit --image-set trainaug --preset cpu --out runs/voc")
def train(
    voc_root: VocRoot = None,
    image_set: Annotated[str, typer.Option(help="List in ImageSets/Segmentation, without .txt.")] = _TRAIN.image_set,
    images: Images = None,
    masks: Annotated[
        Path | None,
        typer.Option(help="Folder of ground-truth masks with the pictures' stems: palette or grey PNG, NPY, NPZ."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help='"background,cat,dog" or a JSON file {"names": [...], "void": 255, "background": 0}; VOC\'s 21 by default.'
        ),
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="First fetch Pascal VOC 2012 (2 GB) into --voc-root, if it is not there.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Run folder; becomes the model folder.")] = _TRAIN.out,
    method: Annotated[
        str,
        typer.Option(
            help="structured (ours), mixing (no segment noise), paper (GNSM as published) or segmenter (no noise ladder: an ablation)."
        ),
    ] = _TRAIN.method,
    preset: Annotated[str, typer.Option(help="cpu, fast, voc128 or voc256.")] = _TRAIN.preset,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps; by default the preset's.", min=1)] = None,
    guess_steps: Annotated[
        int | None,
        typer.Option(
            help="Steps of each of the two networks whose mistakes `structured` learns from; a fifth of --steps by default.",
            min=1,
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pairs per step over all processes.", min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak of the cosine.", min=0)] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the squashed picture, px.", min=1)] = None,
    grid_size: Annotated[int | None, typer.Option(help="Side of the mask grid, cells.", min=1)] = None,
    encoder: Annotated[
        str | None, typer.Option(help="timm backbone of the image pyramid (frozen, ImageNet weights).")
    ] = None,
    classifier: Annotated[
        bool,
        typer.Option(
            "--classifier/--no-classifier",
            help="Also what the encoder's ImageNet classifier sees and says at each place.",
        ),
    ] = _TRAIN.classifier,
    views: Annotated[
        int | None,
        typer.Option(help="Augmented views per picture whose features are cached; 0: fresh ones at every step.", min=0),
    ] = None,
    mask_only: Annotated[
        bool, typer.Option("--mask-only", help="Hide the picture from the network: an ablation.")
    ] = False,
    feature_cache: Annotated[
        Path | None, typer.Option(help="Keep cached features in this folder; runs on the same pictures share it.")
    ] = None,
    density_items: Annotated[
        int, typer.Option(help="Training pairs behind the density head, at most.", min=0)
    ] = _TRAIN.density_items,
    validate_every: Annotated[int, typer.Option(help="Steps between validations.", min=1)] = _TRAIN.validate_every,
    checkpoint_every: Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)] = _TRAIN.checkpoint_every,
    seed: Annotated[int, typer.Option(help="Of weights, noise, order and augmentation.", min=0)] = _TRAIN.seed,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = _TRAIN.precision,
    device: Device = None,
    workers: Annotated[int | None, typer.Option(help="Loader processes.", min=0)] = None,
    compile_: Annotated[bool, typer.Option("--compile", help="torch.compile the network.")] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Insist that there is a run to continue. (Without it, the same command continues too.)"
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the configuration, parameters, FLOPs and memory, and exit.")
    ] = False,
) -> None:
    """Train a quality model on pictures and their ground-truth masks.

    The same command continues a run that was stopped, at any moment and by any means. On several GPUs: `accelerate
    launch -m segqc train ...`.
    """
    config = TrainConfig(
        out=out, voc_root=voc_root, image_set=image_set, images=images, masks=masks, classes=classes, download=download, method=method, preset=preset,
        steps=steps, guess_steps=guess_steps, batch_size=batch_size, learning_rate=learning_rate, image_size=image_size, grid_size=grid_size,
        encoder=encoder, classifier=classifier, views=views, mask_only=mask_only, feature_cache=feature_cache, density_items=density_items,
        validate_every=validate_every, checkpoint_every=checkpoint_every, seed=seed, precision=precision, device=device, workers=workers,
        compile=compile_,
    )  # fmt: skip
    if dry_run:
        from segqc.training.dry_run import print_dry_run

        print_dry_run(config, console)
        return
    if resume and not (out / "training" / "run.json").is_file():
        raise BadInput(out, "holds no run to resume", "check --out, or leave out --resume to begin one")
    from segqc.training.run import train as run

    folder = run(config, console)
    console.print()
    console.print(wrote(folder, what="the model folder "), soft_wrap=True)
    console.print(
        f"Next: segqc audit --model {folder} --predictions MASKS --images PICTURES --out audit", soft_wrap=True
    )


app.command(epilog=cli_audit.EPILOG)(cli_audit.audit)


@app.command(epilog="Example: segqc predict --voc-root VOCdevkit --image-set val --out deeplab_out")
def predict(
    out: Annotated[Path, typer.Option(help="Folder for the masks.")],
    images: Images = None,
    voc_root: VocRoot = None,
    image_set: Annotated[str | None, typer.Option(help="With --voc-root: only this list.")] = None,
    model: Annotated[str, typer.Option(help="A torchvision segmentation model.")] = "deeplabv3_mobilenet_v3_large",
    weights: Annotated[
        Path | None,
        typer.Option(help="A state_dict of your own (.pth, read without pickle's code); the hub's by default."),
    ] = None,
    num_classes: Annotated[int | None, typer.Option(help="What the weights must have.", min=2)] = None,
    probs: Annotated[
        bool, typer.Option("--probs", help="Also write softmax maps: npz, key probs, float16 [K, h, w].")
    ] = False,
    resize: Annotated[int, typer.Option(help="Shorter side of the network's input, px.", min=1)] = 520,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make masks again that are there.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 when a picture could not be predicted.")
    ] = False,
    device: Device = None,
) -> None:
    """Run a torchvision segmentation model over a folder of pictures; palette PNGs at the pictures' size."""
    from segqc.predict.config import PredictConfig
    from segqc.predict.run import predict as run

    summary = run(
        PredictConfig(
            out=out, images=images, voc_root=voc_root, image_set=image_set, model=model, weights=weights, num_classes=num_classes, probs=probs,
            resize=resize, device=device, overwrite=overwrite,
        ),
        console,
    )  # fmt: skip
    console.print(
        f"{summary.written} written, {summary.skipped} were there, {len(summary.failed)} failed (reasons in {out / 'predict.json'})."
    )
    source = f"--voc-root {voc_root}" if voc_root else f"--images {images}"
    console.print(f"Next: segqc audit --model MODEL --predictions {out} {source} --out audit", soft_wrap=True)
    if strict and summary.failed:
        raise typer.Exit(1)


@app.command(
    epilog="Example: segqc evaluate --audit audit --voc-root VOCdevkit --image-set val --train-set train --second predictions_b --out evaluation"
)
def evaluate(
    audit: Annotated[Path, typer.Option(help="Folder written by `segqc audit`: the method on trial.")],
    predictions: Annotated[
        Path | None, typer.Option(help="Folder of the audited masks, checked against the audit's own.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for tables, figures and report.")] = Path("evaluation"),
    voc_root: VocRoot = None,
    ground_truth: Annotated[
        Path | None, typer.Option(help="Folder of true masks, where there is no VOC folder.")
    ] = None,
    image_set: Annotated[str | None, typer.Option(help="With --voc-root: judge the images of this list only.")] = None,
    train_set: Annotated[
        str, typer.Option(help="With --voc-root: list of the pairs that baselines may learn from.")
    ] = "train",
    probs: Annotated[
        Path | None, typer.Option(help="Folder of softmax maps, as `segqc predict --probs` writes them.")
    ] = None,
    second: Annotated[Path | None, typer.Option(help="Folder of another network's masks.")] = None,
    tta: Annotated[
        Path | None, typer.Option(help="Folder of masks predicted on mirrored pictures, mirrored back.")
    ] = None,
    compare: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER, a further audit of the same predictions; may be repeated.")
    ] = None,
    deep_svdd: Annotated[
        str, typer.Option(help='Deep SVDD to fit, NETWORK/OBJECTIVE with commas between, "none" for none.')
    ] = "v2_b0/one-class,v2_b0/soft-boundary,frozen_lite/one-class",
    fits: Annotated[
        Path | None, typer.Option(help="Folder for what baselines learned, shared by evaluations; in --out by default.")
    ] = None,
    metrics_backend: Annotated[str, typer.Option(help="segqc, or medpy (slower, the same numbers).")] = "segqc",
    undefined: Annotated[
        str, typer.Option(help="Distances of a missed or spurious class: diagonal or exclude.")
    ] = "diagonal",
    corruptions: Annotated[
        int, typer.Option(help="Also score so many true masks with known errors in them (28 masks a picture).", min=0)
    ] = 0,
    top: Annotated[int, typer.Option(help="K of the K ranked worst.", min=1)] = 50,
    threshold: Annotated[float, typer.Option(help="A Dice below this is a failure.", min=0, max=1)] = 0.5,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap over images.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Of fits, folds, corruptions and bootstrap.", min=0)] = 0,
    device: Device = None,
) -> None:
    """Judge an audit against ground truth, beside every baseline a sceptic would name.

    Writes report.html, methods.csv, images.csv, classes.csv (each also .parquet), class_summary.csv, evaluation.json
    and figures.
    """
    from evaluation.report.config import EvaluateConfig
    from evaluation.report.evaluate import evaluate as run

    config = EvaluateConfig(
        audit=audit, predictions=predictions, out=out, voc_root=voc_root, ground_truth=ground_truth, image_set=image_set, train_set=train_set,
        probs=probs, second=second, tta=tta, compare=tuple(compare or ()),
        deep_svdd=() if deep_svdd in ("", "none") else tuple(deep_svdd.split(",")), fits=fits, metrics_backend=metrics_backend,
        undefined=undefined, corruptions=corruptions, top=top, threshold=threshold, resamples=resamples, seed=seed, device=device,
    )  # fmt: skip
    found = run(config, console)
    table = Table(
        title=f"{len(found.study.examples)} images, mean Dice {found.study.quality.dice.mean():.3f}; a lower Spearman is better"
    )
    for name in (
        "method",
        "Spearman with Dice",
        f"AUROC of Dice < {threshold:g}",
        f"mean Dice of the {found.top} ranked worst",
    ):
        table.add_column(name, overflow="fold")
    for row in found.rows:
        numbers = (
            "-" if row[key] is None else f"{row[key]:.3f} [{row[key + '_low']:.2f}, {row[key + '_high']:.2f}]"
            for key in _EVALUATED
        )
        table.add_row(row["method"], *numbers)
    console.print(table)
    if found.top_note:
        console.print(found.top_note, soft_wrap=True)
    for name, why in found.absent.items():
        console.print(f"Not judged: {name}: {why}", soft_wrap=True, highlight=False)
    if found.study.left_out:
        console.print(f"{len(found.study.left_out)} predictions left out; the report says why.")
    console.print()
    console.print(
        wrote(
            out, ": report.html, methods.csv, images.csv, classes.csv, class_summary.csv, evaluation.json and figures."
        ),
        soft_wrap=True,
    )
    console.print(f"Next: open {out / 'report.html'} in a browser.", soft_wrap=True)


app.command(epilog="Example: segqc calibrate --audit audit --accepted review.json")(cli_calibration.calibrate)
app.command(epilog="Example: segqc monitor audit/scores.csv --calibration calibration.json")(cli_calibration.monitor)
app.command(epilog="Example: segqc export --audit audit --to cvat --top 100 --out queue")(cli_review.export)
app.command(epilog="Example: segqc gallery --audit audit --compare audit_before --out comparison.html")(
    cli_review.gallery
)
app.add_typer(cli_tabular.app, name="tabular")


@app.command(epilog="Example: segqc demo --out demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Of scenes and trainings.", min=0)] = 0,
) -> None:
    """The whole story on rendered scenes, in about five minutes on two cores: no data and no network needed."""
    from segqc.demo.config import DemoConfig
    from segqc.demo.run import demo as run

    run(DemoConfig(out=out, seed=seed), console)


def main() -> None:
    """Entry point: expected errors are one line and exit code 2, not a traceback."""
    # a file name that the terminal's encoding cannot hold is no reason to fail
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except (BadInput, ValueError, FloatingPointError, OSError) as error:
        said = describe_os_error(error) if isinstance(error, OSError) else str(error)
        error_console.print(Text.assemble(("segqc:", "bold red"), " ", said), soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        error_console.print("Stopped. The same command continues from here.")
        sys.exit(130)
