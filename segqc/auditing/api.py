"""`segqc.audit(...)`: an audit from Python, with the settings of the command as keyword arguments."""

from collections.abc import Sequence
from pathlib import Path

from segqc.auditing.config import AuditConfig, choose_audit
from segqc.auditing.ground_truth import audit_labels
from segqc.auditing.run import AuditReport
from segqc.auditing.run import audit as run_audit
from segqc.base.console import console
from segqc.base.settings import EngineName, Tracker
from segqc.data.options import Exif, LayoutName, MaskValues


def audit(
    *,
    predictions: Path | str | None = None,
    out: Path | str = AuditConfig.out,
    model: Path | str | None = None,
    images: Path | str | None = None,
    voc_root: Path | str | None = None,
    image_set: str | None = None,
    ground_truth: Path | str | None = None,
    data: Path | str | None = None,
    split: str | None = None,
    layout: LayoutName = AuditConfig.layout,
    prediction_classes: str | None = None,
    instances: Path | str | None = None,
    results_of: Path | str | None = None,
    min_score: float = AuditConfig.min_score,
    levels: Sequence[int] | None = None,
    tiles: int | None = None,
    top: int = AuditConfig.top,
    heatmaps: bool = AuditConfig.heatmaps,
    device: str | None = None,
    runtime: str = "auto",
    engine: EngineName | None = None,
    ray_address: str | None = None,
    track: Sequence[Tracker] = AuditConfig.track,
    shard: str | None = None,
    strict_size: bool = AuditConfig.strict_size,
    calibration: Path | str | None = None,
    image_suffix: str | None = None,
    mask_suffix: str | None = None,
    background: str | None = None,
    reduce_zero_label: bool = AuditConfig.reduce_zero_label,
    mask_values: MaskValues = AuditConfig.mask_values,
    exif: Exif = AuditConfig.exif,
    intensity: tuple[float, float] | None = None,
    bands: tuple[int, ...] | None = None,
    max_pixels: int | None = None,
    classes: str | None = None,
    folds: int | None = None,
    method: str | None = None,
    preset: str | None = None,
    steps: int | None = None,
    feature_cache: Path | str | None = None,
    seed: int | None = None,
    progress: bool = False,
) -> AuditReport:
    """Score predicted masks and rank them, worst first; without `predictions`, find the wrong masks of a dataset.

    Does what `segqc audit` does, and writes what it writes, in silence. The same call continues an audit that was
    stopped.

    Parameters
    ----------
    predictions : Path or str, optional
        Folder of predicted masks, annotations (COCO results, COCO, CVAT, LabelMe, YOLO, Label Studio), or a table of
        paths. Without it the ground truth itself is audited: the pairs are dealt into folds, and each mask is scored by
        a model that was trained without its fold.
    out : Path or str
        Folder for tables, heat maps, contact sheet and review page.
    model : Path or str, optional
        Folder written by `segqc train`, or "voc" (the default) or "voc-fast". For predictions only.
    images : Path or str, optional
        Folder of pictures; this, `voc_root` or `data`.
    voc_root : Path or str, optional
        Folder in Pascal VOC's layout, whose ground truth is used too.
    image_set : str, optional
        With `voc_root`: list of the pictures that should have a prediction, or whose ground truth is audited ("train").
    ground_truth : Path or str, optional
        Folder of true masks, or annotations: to compare predictions with (they never enter a score), or to audit.
    data : Path or str, optional
        Data set in a known layout, with pictures and true masks.
    split, layout : str, optional
        With `data`: its part, and its layout where that is not to be recognised.
    prediction_classes : str, optional
        Classes of predicted masks whose values or colours are not the model's, as `segqc.train(classes=...)` takes
        them. For predictions only.
    instances : Path or str, optional
        Folder of instance masks, named as the predictions: objects keep these ids. Annotations bring their own. For
        predictions only.
    results_of : Path or str, optional
        For COCO results or YOLO labels: the data set's own COCO JSON or data.yaml; by default that of `ground_truth` or
        `data`.
    min_score : float
        For annotations that have a score: the least that counts.
    levels : sequence of int, optional
        Noise levels to read, by their index in the model's ladder; by default those of its score. For predictions only.
    tiles : int, optional
        Score pictures in N x N overlapping tiles, 1 being the picture as a whole; by default as the model was trained.
        For predictions only.
    top : int
        Rows of the contact sheet.
    heatmaps : bool
        Whether to write a heat map for each mask.
    device : str, optional
        Such as "cpu" or "cuda:1"; by default the first accelerator, else the CPU.
    runtime : "auto", "onnx" or "torch"
        What computes the model; by default ONNX Runtime on a CPU, where it can be used.
    engine : "local" or "ray", optional
        What divides the work: this machine ("local", the default), or the workers of a Ray cluster, with the same
        result. For predictions only.
    ray_address : str, optional
        Address of a running Ray cluster; by default that in RAY_ADDRESS, else one of this machine's cores is started
        for this call. One that the process is connected to already is used.
    track : sequence of "tensorboard", "mlflow" or "wandb"
        Experiment trackers that get settings, summary and contact sheet. For predictions only.
    shard : str, optional
        Score only part I of N, as "I/N"; `segqc merge` joins the folders of all N. For predictions only.
    calibration : Path or str, optional
        File written by `segqc calibrate`, by default calibration.json in the model's folder, where there is one. For
        predictions only.
    strict_size : bool
        Whether predictions of another size than their picture are refused; else they are brought to it.
    image_suffix, mask_suffix, background, reduce_zero_label, mask_values, exif, intensity, bands, max_pixels
        How files are found and read: see `segqc.data.options.DataOptions`.
    classes, folds, method, preset, steps, feature_cache, seed
        Settings of the trainings, as for `segqc train`; for the audit of ground truth only. By default Pascal VOC's
        classes, 3 folds, the method "segmenter" and the preset "cpu".
    progress : bool
        Whether to show progress bars on the terminal.

    Returns
    -------
    AuditReport
        Rows as in scores.csv (the most suspect first, those that could not be scored last), the summary as in
        summary.json, and the folder.

    Raises
    ------
    BadInput
        There are no masks, pictures or model where they were said to be, a setting belongs to the other kind of audit,
        or `out` holds files that no audit wrote. A mask that cannot be scored is a row with a reason instead.
    ValueError
        A setting is out of its range.

    Examples
    --------
    >>> report = segqc.audit(predictions="deeplab_out", images="JPEGImages", out="audit")  # doctest: +SKIP
    >>> [row["id"] for row in report.rows[:3]], report.summary["scored"]  # doctest: +SKIP
    (['2007_003110', '2008_006036', '2008_005633'], 241)
    """
    config = choose_audit(
        {
            "predictions": predictions, "out": out, "model": model, "images": images, "voc_root": voc_root,
            "image_set": image_set, "ground_truth": ground_truth, "data": data, "split": split, "layout": layout,
            "prediction_classes": prediction_classes, "instances": instances, "results_of": results_of,
            "min_score": min_score, "levels": levels, "tiles": tiles, "top": top, "heatmaps": heatmaps, "shard": shard,
            "track": tuple(track) or None,
            "engine": engine, "ray_address": ray_address,
            "device": device, "runtime": runtime, "calibration": calibration,
            "classes": classes, "folds": folds, "method": method,
            "preset": preset, "steps": steps, "feature_cache": feature_cache, "seed": seed, "strict_size": strict_size,
            "image_suffix": image_suffix, "mask_suffix": mask_suffix, "background": background,
            "reduce_zero_label": reduce_zero_label, "mask_values": mask_values, "exif": exif, "intensity": intensity,
            "bands": bands, "max_pixels": max_pixels,
        }
    )  # fmt: skip
    shown = console if progress else None
    if not isinstance(config, AuditConfig):
        return audit_labels(config, shown)
    from evaluation.ranking.comparison import DiceComparison

    return run_audit(config, DiceComparison(), shown)
