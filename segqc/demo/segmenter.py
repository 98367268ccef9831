"""The network under audit: torchvision's LR-ASPP on an ImageNet backbone, trained on the demo's scenes until it is
mostly right.

The head (Howard et al. 2019, arXiv 1905.02244, section 6.4) is trained from scratch; the EfficientNet-Lite0 under it
stays frozen, so its maps are computed once. The QC model sees pictures through another backbone. What the segmenter
gets wrong, it gets wrong by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from scipy import ndimage
from torch import Tensor, nn
from torchvision.models.segmentation import LRASPP

from ncsnpp import ImageEncoder
from segqc.base.console import make_progress
from segqc.data.labels import VOID
from segqc.data.masks import read_mask, write_mask
from segqc.data.pictures import read_image
from segqc.demo.scenes import DEMO_LABELS

BACKBONE = "tf_efficientnet_lite0"
LOW, HIGH = 1, 2  # maps of stride 8 and 16
HEAD_CHANNELS = 96
SMALLEST_REGION = 0.003
"""Share of the picture below which a predicted region counts as a speck and is dropped."""


class FrozenBackbone(nn.Module):
    """An ImageNet backbone in the form that torchvision's LR-ASPP asks for: uint8-valued [N, 3, H, W] to {"low",
    "high"}.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ImageEncoder(BACKBONE)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Maps of stride 8 and 16, float32."""
        maps = self.encoder(images.float())
        return {"low": maps[LOW], "high": maps[HIGH]}


def build_segmenter(num_classes: int, seed: int = 0) -> LRASPP:
    """An LR-ASPP segmenter with a fresh head.

    Takes uint8-valued images [N, 3, H, W] in 0..255 and returns {"out": logits [N, num_classes, H, W]}.
    """
    with torch.random.fork_rng(devices=[]):
        backbone = FrozenBackbone()
        torch.manual_seed(seed)
        return LRASPP(
            backbone, backbone.encoder.channels[LOW], backbone.encoder.channels[HIGH], num_classes, HEAD_CHANNELS
        )


def train_segmenter(
    network: LRASPP,
    images: Sequence[Path],
    masks: Sequence[Path],
    steps: int = 1000,
    batch_size: int = 8,
    learning_rate: float = 3e-3,
    seed: int = 0,
    console: Console | None = None,
) -> float:
    """Train the head by cross-entropy on pictures and their mirror images; returns the mean loss of the last tenth of
    the steps.

    Parameters
    ----------
    network : LRASPP
        From `build_segmenter`; left in evaluation mode.
    images, masks : sequences of Path
        Pairs of one size; void pixels carry no loss.
    steps, batch_size, learning_rate
        Length of the training, pictures a step, peak of the one-cycle schedule (AdamW).
    seed : int
        Random seed of the draws of pictures.
    console : Console or None
        Where the progress bar goes; None is silent.

    Raises
    ------
    ValueError
        No pairs, or lists of different length.
    BadInput
        A picture or mask that cannot be read.
    """
    if not images or len(images) != len(masks):
        raise ValueError(f"Expected as many images as masks and at least one, but got {len(images)} and {len(masks)}")
    targets = _targets(masks)
    cached = _cache(network, images, console)
    optimizer = torch.optim.AdamW(network.classifier.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    draws = torch.Generator().manual_seed(seed)
    losses = []
    network.classifier.train()
    with make_progress(console, "note") as progress:
        task = progress.add_task("segmenter: training", total=steps, note="")
        for _ in range(steps):
            chosen = torch.randint(len(images), (min(batch_size, len(images)),), generator=draws)
            mirrored = torch.randint(2, (len(chosen),), generator=draws)
            logits = network.classifier({name: maps[chosen, mirrored] for name, maps in cached.items()})
            loss = _cross_entropy(logits, targets[chosen, mirrored])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            progress.update(task, advance=1, note=f"loss {losses[-1]:.3f}")
    network.eval()
    return float(np.mean(losses[-max(1, steps // 10) :]))


def predict_masks(network: LRASPP, images: Sequence[Path], out: Path, console: Console | None = None) -> None:
    """Write the predicted mask of every picture to `out`, as a palette PNG of the picture's size and name."""
    network.eval()
    with make_progress(console) as progress, torch.inference_mode():
        task = progress.add_task("segmenter: predicting", total=len(images))
        for path, picture in _pictures(images):
            mask = network(picture[None])["out"][0].argmax(0).numpy().astype(np.uint8)
            write_mask(out / f"{path.stem}.png", drop_specks(mask, SMALLEST_REGION), DEMO_LABELS)
            progress.advance(task)


def drop_specks(mask: np.ndarray, smallest: float) -> np.ndarray:
    """Set 4-connected foreground regions of less than a share `smallest` of the picture to background.

    Parameters
    ----------
    mask : uint8 [H, W]
    smallest : float in [0, 1]

    Returns
    -------
    uint8 [H, W], a new array.
    """
    kept = mask.copy()
    for label in np.unique(mask[mask != DEMO_LABELS.background]):
        regions, _ = ndimage.label(mask == label)
        speck = np.bincount(regions.ravel()) < smallest * mask.size
        speck[0] = False
        kept[speck[regions]] = DEMO_LABELS.background
    return kept


def _pictures(images: Sequence[Path]) -> Iterator[tuple[Path, Tensor]]:
    """Pictures as uint8 [3, H, W], one by one."""
    for path in images:
        yield path, torch.from_numpy(np.array(read_image(path))).permute(2, 0, 1)


def _targets(masks: Sequence[Path]) -> Tensor:
    """Class indices [masks, 2, h, w] of every mask and its mirror image."""
    targets = torch.from_numpy(np.stack([read_mask(path, DEMO_LABELS) for path in masks])).long()
    # Half the resolution is finer than the head's maps, and four times as fast as all of it.
    return torch.stack([targets, targets.flip(-1)], dim=1)[..., ::2, ::2].contiguous()


def _cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean over the pixels of `truth` [N, h, w] that are not void; the logits are brought to its size."""
    logits = F.interpolate(logits, size=truth.shape[-2:], mode="bilinear", align_corners=False)
    return F.cross_entropy(logits, truth, ignore_index=VOID)


def _cache(network: LRASPP, images: Sequence[Path], console: Console | None) -> dict[str, Tensor]:
    """The backbone's maps [pictures, 2, C, h, w] of every picture and its mirror image."""
    views = []
    with make_progress(console) as progress, torch.inference_mode():
        task = progress.add_task("segmenter: features", total=len(images))
        for _, picture in _pictures(images):
            views.append(network.backbone(torch.stack([picture, picture.flip(-1)])))
            progress.advance(task)
    # Clones made outside of inference mode may take part in a training step.
    return {name: torch.stack([view[name] for view in views]).clone() for name in views[0]}
