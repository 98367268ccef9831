"""The model: an image-conditioned NCSN++ over one-hot masks, its training loss, and what it reads from one pair.

All methods go through the same lines; where they differ, the model asks `segqc.model.methods`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncsnpp import ImageEncoder, NCSNpp
from segqc import gumbel
from segqc.base.fingerprints import stable_seed
from segqc.density import DensityHead
from segqc.gumbel import Levels
from segqc.model.agreement import agreement
from segqc.model.config import ModelConfig
from segqc.model.methods import NoisyMasks, PairScore, find_method
from segqc.model.reading import Compiled, CompiledContext, Reading

# Passes of one pair that share a forward, in mask cells: bounds the memory of scoring on a CPU (16 passes at 64 x 64, 1
# at 256 x 256).
_CELLS_PER_FORWARD = 16 * 64 * 64
# Images that share a forward of the encoder on a CPU: measured, four fit the caches and take less than half the time
# per image of sixteen.
_IMAGES_PER_FORWARD = 4


def _no_larger(maps: Tensor, side: int) -> Tensor:
    """Feature maps `[M, C, h, w]` brought down to `side` where they are larger: a finer picture is worth its detail,
    not its area.
    """
    if max(maps.shape[-2:]) <= side:
        return maps
    return F.interpolate(maps.float(), size=(side, side), mode="bilinear", antialias=True, align_corners=False)


class QualityModel(nn.Module):
    """Network, frozen image encoder and density head of one model folder.

    Parameters
    ----------
    config : ModelConfig
    pretrained : bool
        Start the encoder from ImageNet weights; False when the weights are about to be loaded.
    encoder_weights : Path, optional
        With `pretrained`: safetensors file of the encoder's weights, in place of timm's.

    Attributes
    ----------
    density : DensityHead or None
        None until it is fitted, or where the method has none.
    compiled : Compiled or None
        What reads pairs in PyTorch's place; only of a model that is not trained any more.
    """

    def __init__(self, config: ModelConfig, pretrained: bool = False, encoder_weights: Path | None = None) -> None:
        super().__init__()
        self.config = config
        self.method = find_method(config.method)
        self.encoder = (
            ImageEncoder(
                config.encoder,
                pretrained,
                classifier=config.classifier,
                image_size=config.image_size,
                weights=encoder_weights,
            )
            if config.encoder
            else None
        )
        self.network = NCSNpp(config.network)
        self.to(memory_format=torch.channels_last)
        self.density: DensityHead | None = None
        self.compiled: Compiled | None = None
        self._noise: Tensor | None = None

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def image_features(self, images: Tensor) -> list[Tensor]:
        """The image features that the network is conditioned on; training does not change them.

        Parameters
        ----------
        images : Tensor, `[M, 3, I, I]` uint8

        Returns
        -------
        list of Tensor
            The frozen encoder's maps, or the picture in [-1, 1] for `concat` conditioning.
        """
        if self.encoder is None:
            return [images.float() / 127.5 - 1]
        images = images.contiguous(memory_format=torch.channels_last)
        size = _IMAGES_PER_FORWARD if images.device.type == "cpu" else len(images)
        sides = self.config.network.context_sizes[: len(self.encoder.channels)]
        maps = [
            [_no_larger(m, side) for m, side in zip(self.encoder(chunk), sides, strict=True)]
            for chunk in images.split(size)
        ]
        return [torch.cat(same) for same in zip(*maps, strict=True)]

    def context(self, features: Sequence[Tensor]) -> object:
        """The network's own encoding of the image features; computed once per image, reused by all its noise levels."""
        shown = list(features)
        if self.encoder is not None and self.config.classifier:
            shown.append(self.encoder.read_head(features[-1]))
        if self.config.mask_only:
            shown = [torch.zeros_like(maps) for maps in shown]
        return self.network.encode_context(shown) if self.encoder is not None else shown[0]

    def one_hot(self, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Labels `[N, S, S]` uint8 -> one-hot `[N, K, S, S]` float32 (void is all zero) and valid `[N, S, S]` bool."""
        classes = torch.arange(self.config.num_classes, device=masks.device, dtype=masks.dtype).view(1, -1, 1, 1)
        onehot = (masks.unsqueeze(1) == classes).float()
        return onehot, onehot.sum(1) > 0

    def log_prediction(self, x_tilde: Tensor, levels: Levels, context: object, valid: Tensor) -> Tensor:
        """The log-softmax of the network's output, whose meaning is the method's, `[N, K, S, S]` float32.

        Void cells are shown as a uniform x~, and so are all cells at t = 0, where x~ would be noise and nothing else. N
        is a multiple of the images in `context`, the passes of an image side by side.
        """
        informed = (levels.logit_keep > -torch.inf).to(valid.device)
        shown = valid & informed.view(-1, 1, 1)
        x_tilde = torch.where(shown.unsqueeze(1), x_tilde, -float(np.log(self.config.num_classes)))
        seen, condition = self.method.network_input(x_tilde, levels)
        if isinstance(context, CompiledContext):
            out = context.denoise(seen, condition)
        else:
            out = self.network(seen.contiguous(memory_format=torch.channels_last), condition.to(seen.device), context)
        return torch.log_softmax(out.float(), dim=1)

    def forward(
        self,
        features: Sequence[Tensor],
        masks: Tensor,
        levels: Levels,
        exponential: Tensor,
        observed: Tensor | None = None,
    ) -> Tensor:
        """Training loss of a batch: mean over the items of the mean over their valid cells, a scalar.

        Parameters
        ----------
        features : list of Tensor
            `image_features` of the N images.
        masks : Tensor, `[N, S, S]` uint8
        levels : Levels of N items
        exponential : Tensor, `[N, K, S, S]` float32
            E of each cell, from `gumbel.sample_exponential`.
        observed : Tensor, `[N, S, S]` uint8, optional
            What the noise is laid over: masks with segment noise (`structured`). By default the true ones. The target
            is always the truth.
        """
        onehot, valid = self.one_hot(masks)
        seen, visible = (onehot, valid) if observed is None else self.one_hot(observed)
        log_a = gumbel.log_location(seen, levels)
        noisy = NoisyMasks(log_a, gumbel.sample_expconcrete(log_a, levels, exponential), levels)
        log_p = self.log_prediction(noisy.x_tilde, levels, self.context(features), visible)
        return gumbel.masked_mean(self.method.loss(log_p, noisy, onehot), valid).mean()

    @torch.no_grad()
    def belief(self, features: Sequence[Tensor]) -> Tensor:
        """log p(class | picture), level t = 0, `[M, K, S, S]` float32, of M pictures by their `image_features`."""
        count, config = len(features[0]), self.config
        shape = (count, config.num_classes, config.grid_size, config.grid_size)
        uniform = torch.full(shape, -float(np.log(config.num_classes)), dtype=torch.float32, device=self.device)
        blank = torch.zeros(count, config.grid_size, config.grid_size, dtype=torch.bool, device=self.device)
        levels = Levels(
            torch.full((count,), -torch.inf, dtype=torch.float32, device=self.device),
            torch.ones(count, dtype=torch.float32, device=self.device),
        )
        return self.log_prediction(uniform, levels, self.context(features), blank)

    def scoring_noise(self) -> tuple[Levels, Tensor]:
        """The L x D passes of a pair: their levels and E, `[L D, K, S, S]`, a function of (seed, level, draw, grid) and
        nothing else.
        """
        config = self.config
        draws = max(1, config.draws)
        levels = config.ladder.at([i for i in range(len(config.ladder)) for _ in range(draws)])
        if self._noise is None:
            shape = (config.num_classes, config.grid_size, config.grid_size)
            if config.draws == 0:
                self._noise = torch.ones(len(levels), *shape, dtype=torch.float32, device="cpu")
            else:
                seeds = [
                    stable_seed(config.noise_seed, level, draw, *shape)
                    for level in range(len(config.ladder))
                    for draw in range(draws)
                ]
                # Drawn on the CPU, so that every device scores with the same noise.
                self._noise = torch.stack(
                    [gumbel.sample_exponential(shape, torch.Generator().manual_seed(seed)) for seed in seeds]
                )
        return levels, self._noise

    @torch.inference_mode()
    def read(
        self, image: np.ndarray, mask: np.ndarray, levels: Sequence[int] | None = None, with_features: bool = True
    ) -> Reading:
        """Score features of one pair.

        The result depends on nothing but the pair: its passes never share a forward with another pair's.

        Parameters
        ----------
        image : ndarray `[3, I, I]` uint8
        mask : ndarray `[S, S]` uint8
        levels : sequence of int, optional
            Noise levels to read, by their index in the ladder; `ModelConfig.score_levels` by default. Each costs a pass
            per draw.
        with_features : bool
            False leaves out the features that only the density needs, a tenth of the time; `paper` is scored by them,
            and always has them.
        """
        return self.read_mask(self.encode(image), mask, levels, with_features)

    @torch.inference_mode()
    def encode(self, image: np.ndarray) -> object:
        """What the network is conditioned on, of a picture `[3, I, I]` uint8: computed once for all its masks."""
        batch = torch.from_numpy(image)[None]
        if self.compiled is not None:
            return self.compiled.context(batch)
        return self.context(self.image_features(batch.to(self.device)))

    @torch.inference_mode()
    def read_mask(
        self, context: object, mask: np.ndarray, levels: Sequence[int] | None = None, with_features: bool = True
    ) -> Reading:
        """`read` of a mask `[S, S]` uint8 in what `encode` made of its picture."""
        onehot, valid = self.one_hot(torch.from_numpy(mask).to(self.device)[None])
        chosen, every, noise = self.passes(levels)
        chunk = len(noise) if self.device.type == "cuda" else max(1, _CELLS_PER_FORWARD // mask.size)
        maps, sums = [], []
        for part in (slice(i, i + chunk) for i in range(0, len(noise), chunk)):
            at = Levels(every.logit_keep[part], every.temperature[part])
            shown = onehot.expand(len(noise[part]), -1, -1, -1), valid.expand(len(noise[part]), -1, -1)
            of_part, probability = self.read_passes(context, *shown, at, noise[part], with_features)
            maps.append(of_part)
            sums.append(probability.sum(0))
        return self.reading(torch.cat(maps), torch.stack(sums).sum(0) / len(noise), onehot[0], valid[0], chosen)

    def passes(self, levels: Sequence[int] | None) -> tuple[tuple[int, ...], Levels, Tensor]:
        """The levels to read of a pair, by their index (`ModelConfig.score_levels` by default), and of their P passes
        level and noise, `[P, K, S, S]`.
        """
        chosen = self.config.score_levels if levels is None else tuple(levels)
        every, noise = self.scoring_noise()
        draws = len(every) // len(self.config.ladder)
        order = [level * draws + draw for level in chosen for draw in range(draws)]
        return chosen, Levels(every.logit_keep[order], every.temperature[order]), noise[order]

    def read_passes(
        self, context: object, onehot: Tensor, valid: Tensor, levels: Levels, noise: Tensor, with_features: bool
    ) -> tuple[Tensor, Tensor]:
        """Feature maps `[N, F, S, S]` and predicted probabilities `[N, K, S, S]` of N passes, those of an image of
        `context` side by side.
        """
        log_a = gumbel.log_location(onehot, levels)
        x_tilde = gumbel.sample_expconcrete(log_a, levels, noise.to(onehot.device)) if self.config.draws else log_a
        log_p = self.log_prediction(x_tilde, levels, context, valid)
        maps = self.method.feature_maps(log_p, NoisyMasks(log_a, x_tilde, levels), onehot, with_features)
        return maps, log_p.exp()

    def reading(
        self, maps: Tensor, probability: Tensor, onehot: Tensor, valid: Tensor, chosen: tuple[int, ...]
    ) -> Reading:
        """What was read of one pair: from the feature maps of its passes, `[P, F, S, S]`, the mean of what they
        predict, `[K, S, S]`, and its mask, `[K, S, S]` and `[S, S]`.
        """
        per_level = maps.unflatten(0, (len(chosen), -1)).mean(1)  # [L, F, S, S]
        everywhere = valid.expand(per_level.shape[0] * per_level.shape[1], -1, -1)
        means = gumbel.masked_mean(per_level.flatten(0, 1), everywhere)
        posterior = self.method.posterior(probability)
        norms = dict(zip(self.config.score_levels, self.config.inlier_norm, strict=False))  # none before the density
        unit = torch.tensor([norms.get(level, 1.0) for level in chosen], dtype=torch.float32, device=self.device)
        heat = torch.where(valid, self.method.heat(probability, per_level, onehot, unit), 0.0).clamp(0, 1)
        return Reading(
            means.cpu().double().numpy().reshape(len(chosen), -1),
            heat.cpu().numpy(),
            None if posterior is None else posterior.cpu().numpy(),
            chosen,
        )

    def agreement(self, reading: Reading, mask: np.ndarray) -> float:
        """`segqc.model.agreement.agreement` of the mask with the averaged posterior, in [0, 1]: an estimate of the
        mask's Dice without ground truth.

        Raises
        ------
        ValueError
            The method has no class posterior.
        """
        if reading.posterior is None:
            raise ValueError(f"The method {self.method.name!r} has no class posterior to agree with")
        return agreement(reading.posterior, mask, self.config.label_space.foreground, self.config.empty_share)

    def score_reading(self, reading: Reading, mask: np.ndarray) -> PairScore:
        """The score of a pair from what was read of it; the density is known where all of its levels were read.

        Raises
        ------
        ValueError
            The method is scored by the density, and the model has none.
        """
        agreed = None if reading.posterior is None else self.agreement(reading, mask)
        density = None
        if self.density is not None and reading.levels == self.config.score_levels and reading.features.size > 0:
            density = float(self.density.score(reading.features.reshape(1, -1))[0])
        return self.method.score(agreed, density)
