"""`segqc.train(...)`: a training from Python, with the settings of the command as keyword arguments."""

from collections.abc import Sequence
from pathlib import Path

from segqc.base.console import console
from segqc.base.settings import Tracker
from segqc.base.storage.paths import as_path
from segqc.data.options import Exif, LayoutName, MaskValues
from segqc.model.catalogue import Method
from segqc.training.config import Precision, PresetName, TrainConfig
from segqc.training.run import train as run_training


def train(
    *,
    out: Path | str = TrainConfig.out,
    voc_root: Path | str | None = None,
    image_set: str = TrainConfig.image_set,
    images: Path | str | None = None,
    masks: Path | str | None = None,
    data: Path | str | None = None,
    split: str | None = None,
    layout: LayoutName = TrainConfig.layout,
    classes: str | None = None,
    method: Method = TrainConfig.method,
    preset: PresetName = TrainConfig.preset,
    steps: int | None = None,
    minutes: float | None = None,
    guess_steps: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    warmup_steps: int | None = None,
    image_size: int | None = None,
    grid_size: int | None = None,
    tiles: int = TrainConfig.tiles,
    detail: bool = TrainConfig.detail,
    encoder: str | None = None,
    encoder_weights: Path | str | None = None,
    classifier: bool = TrainConfig.classifier,
    views: int | None = None,
    group: str | None = None,
    rare_below: float = TrainConfig.rare_below,
    mask_only: bool = TrainConfig.mask_only,
    feature_cache: Path | str | None = None,
    download: bool = TrainConfig.download,
    final_learning_rate: float = TrainConfig.final_learning_rate,
    weight_decay: float = TrainConfig.weight_decay,
    ema_decay: float = TrainConfig.ema_decay,
    gradient_clip: float = TrainConfig.gradient_clip,
    validation_fraction: float = TrainConfig.validation_fraction,
    validation_items: int = TrainConfig.validation_items,
    validate_every: int = TrainConfig.validate_every,
    checkpoint_every: int = TrainConfig.checkpoint_every,
    density_items: int = TrainConfig.density_items,
    seed: int = TrainConfig.seed,
    fold: int | None = None,
    folds: int = TrainConfig.folds,
    precision: Precision = TrainConfig.precision,
    device: str | None = None,
    track: Sequence[Tracker] = TrainConfig.track,
    workers: int | None = None,
    compile: bool = TrainConfig.compile,
    image_suffix: str | None = None,
    mask_suffix: str | None = None,
    background: str | None = None,
    reduce_zero_label: bool = TrainConfig.reduce_zero_label,
    mask_values: MaskValues = TrainConfig.mask_values,
    exif: Exif = TrainConfig.exif,
    intensity: tuple[float, float] | None = None,
    bands: tuple[int, ...] | None = None,
    max_pixels: int | None = None,
    progress: bool = False,
) -> Path:
    """Train a quality model on pictures and their ground-truth masks; the folder can be given to `segqc.load`.

    Does what `segqc train` does, and writes what it writes, in silence. The same call continues a training that was
    stopped, and returns at once where it is finished. What is None is decided by the preset.

    Parameters
    ----------
    out : Path or str
        Folder of the run, and of the model when it is done.
    voc_root : Path or str, optional
        Folder in Pascal VOC's layout; this, or `images` and `masks`.
    image_set : str
        With `voc_root`: list in ImageSets/Segmentation, without .txt.
    images, masks : Path or str, optional
        Folder of pictures, and of masks with the same stems.
    data : Path or str, optional
        Data set in a known layout, or an annotation file of COCO or CVAT, in place of the folders above.
    split : str, optional
        With `data`: part of it, such as "val"; by default the training part.
    layout : str
        With `data`: its layout, a key of `segqc.data.layouts.LAYOUTS`; "auto" recognises it.
    classes : str, optional
        Class names by index, "background,road,car", or a JSON file; Pascal VOC's 21 by default.
    method : "structured", "mixing", "paper" or "segmenter"
        See `segqc.model.methods`.
    preset : "cpu", "fast", "voc128" or "voc256"
        Sizes and training lengths that belong together.
    steps, guess_steps : int, optional
        Training steps, and those of each of the two networks whose mistakes `structured` learns from (a fifth).
    minutes : float, optional
        Time to plan preset, steps and views for, on this machine.
    batch_size : int, optional
        Pairs a step, over all processes.
    learning_rate, final_learning_rate, warmup_steps
        Linear warm-up, then a cosine from the first to the second.
    image_size, grid_size : int, optional
        Side of the squashed picture, px, and of the mask grid, cells.
    tiles : int
        Tiles along a side of a picture that the model learns, and then scores pictures in; 1: the picture as a whole.
    detail : bool
        Whether to choose both by the sizes of the objects in the masks.
    encoder : str, optional
        timm backbone.
    encoder_weights : Path or str, optional
        Safetensors file of its weights, in place of a download.
    classifier : bool
        Whether the network also sees what the encoder's own ImageNet classifier says at each place.
    views : int, optional
        Augmented views per picture whose frozen features are cached; 0: a fresh augmentation at every step, no cache.
    group : str, optional
        Regular expression whose first group names, in a picture's id, the video or patient that it is from.
    rare_below : float
        Share of the pictures, in [0, 1], below which a class is rare and its pictures are drawn more often; 0: all
        alike.
    mask_only : bool
        Whether to hide the picture from the network: an ablation.
    feature_cache : Path or str, optional
        Folder for cached features that outlives the run; runs on the same pictures share it.
    download : bool
        Whether to fetch Pascal VOC 2012 into `voc_root` first.
    weight_decay, ema_decay, gradient_clip : float
        Of AdamW, of the moving average of the weights, and of the gradient's norm.
    validation_fraction : float
        Share of the pairs that are validated on.
    validation_items : int
        Pairs in each validation, at most.
    validate_every, checkpoint_every : int
        Steps between validations and between checkpoints.
    density_items : int
        Training pairs behind the density head, at most.
    seed : int
        Seed of weights, noise, order and augmentation.
    fold, folds : int, optional
        Leave this fold, of so many, out of everything.
    precision : "auto", "fp32" or "bf16"
        "auto" is bf16 where the hardware multiplies it natively.
    device : str, optional
        Such as "cpu" or "cuda:1"; by default the first accelerator, else the CPU.
    track : sequence of "tensorboard", "mlflow" or "wandb"
        Experiment trackers that get settings and curves.
    workers : int, optional
        Loader processes; by default 4 where pictures are decoded at every step, else 0.
    compile : bool
        Whether to compile the network with torch.compile.
    image_suffix, mask_suffix, background, reduce_zero_label, mask_values, exif, intensity, bands, max_pixels
        How files are found and read: see `segqc.data.options.DataOptions`.
    progress : bool
        Whether to show progress on the terminal.

    Returns
    -------
    Path
        The model folder, `out`.

    Raises
    ------
    BadInput
        Nothing to train on, the folder holds a run with other settings or on other data, or another training is writing
        there.
    ValueError
        Unknown preset or method, or sizes that cannot work.

    Examples
    --------
    >>> folder = segqc.train(images="PICTURES", masks="MASKS", classes="bg,road", out="runs/x")  # doctest: +SKIP
    >>> qc = segqc.load(folder)  # doctest: +SKIP
    """
    config = TrainConfig(
        out=as_path(out),
        voc_root=_path(voc_root),
        image_set=image_set,
        images=_path(images),
        masks=_path(masks),
        data=_path(data),
        split=split,
        layout=layout,
        classes=classes,
        image_suffix=image_suffix,
        mask_suffix=mask_suffix,
        background=background,
        reduce_zero_label=reduce_zero_label,
        mask_values=mask_values,
        exif=exif,
        intensity=intensity,
        bands=bands,
        max_pixels=max_pixels,
        method=method,
        preset=preset,
        steps=steps,
        minutes=minutes,
        guess_steps=guess_steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        warmup_steps=warmup_steps,
        image_size=image_size,
        grid_size=grid_size,
        tiles=tiles,
        detail=detail,
        encoder=encoder,
        encoder_weights=_path(encoder_weights),
        classifier=classifier,
        views=views,
        group=group,
        rare_below=rare_below,
        mask_only=mask_only,
        feature_cache=_path(feature_cache),
        download=download,
        final_learning_rate=final_learning_rate,
        weight_decay=weight_decay,
        ema_decay=ema_decay,
        gradient_clip=gradient_clip,
        validation_fraction=validation_fraction,
        validation_items=validation_items,
        validate_every=validate_every,
        checkpoint_every=checkpoint_every,
        density_items=density_items,
        seed=seed,
        fold=fold,
        folds=folds,
        precision=precision,
        device=device,
        track=tuple(track),
        workers=workers,
        compile=compile,
    )
    return run_training(config, console if progress else None)


def _path(given: Path | str | None) -> Path | None:
    return None if given is None else as_path(given)
