"""A whole score as one computation of tensors: picture and mask in, posterior, heat and score out."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segqc import gumbel
from segqc.gumbel import Levels
from segqc.model.agreement import PRESENCE_SHARE, SHARPNESS
from segqc.model.graphs import DenoiserGraph, PictureGraph, example_picture
from segqc.model.quality_model import QualityModel


class PairGraph(nn.Module):
    """`QualityModel.read` and `agreement` of one pair, at the levels that the model's score reads.

    Parameters
    ----------
    model : QualityModel
        In evaluation mode on a CPU.

    Raises
    ------
    ValueError
        The model has no class posterior: its score is a density, which is no part of the network.
    """

    def __init__(self, model: QualityModel) -> None:
        super().__init__()
        if model.method.needs_all_levels:
            raise ValueError(f"Expected a method with a class posterior, but got {model.method.name!r}")
        self.model, self.picture, self.denoiser = model, PictureGraph(model), DenoiserGraph(model)
        with torch.inference_mode(False), torch.no_grad():
            # in numbers: the exporter loses sight of them on its way through the encoder
            self.shapes = [tuple(maps.shape) for maps in self.picture(example_picture(model))]
        every, noise = model.scoring_noise()
        draws = len(every) // len(model.config.ladder)
        chosen = [level * draws + draw for level in model.config.score_levels for draw in range(draws)]
        self.levels = Levels(every.logit_keep[chosen], every.temperature[chosen])
        self.noise = nn.Parameter(noise[chosen].clone(), requires_grad=False)
        # log a of a cell depends on its class alone: one column for each class, and one for void
        classes = model.config.num_classes
        columns = torch.cat([torch.eye(classes), torch.zeros(classes, 1)], 1).expand(len(chosen), -1, -1)
        self.locations = nn.Parameter(gumbel.log_location(columns, self.levels), requires_grad=False)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Posterior `[K, S, S]`, heat `[S, S]` and score `[1]` of a picture `[1, 3, I, I]` and a mask `[1, S, S]`,
        uint8.
        """
        model = self.model
        onehot, valid = model.one_hot(mask.long())
        maps = [found.reshape(shape) for found, shape in zip(self.picture(image), self.shapes, strict=True)]
        context = GraphContext(maps, self.denoiser)
        total = torch.zeros_like(onehot[0])
        column = torch.where(valid[0], mask[0].long(), model.config.num_classes)
        for i in range(len(self.levels)):
            level = Levels(self.levels.logit_keep[i : i + 1], self.levels.temperature[i : i + 1])
            x_tilde = self.locations[i][:, column][None]
            if model.config.draws:
                x_tilde = gumbel.sample_expconcrete(x_tilde, level, self.noise[i : i + 1])
            total = total + model.log_prediction(x_tilde, level, context, valid).exp()[0]
        posterior = total / len(self.levels)
        heat = torch.where(valid[0], 1 - (posterior * onehot[0]).sum(0), 0.0).clamp(0, 1)
        config = model.config
        agreed = agreement_of_tensors(posterior, onehot[0], config.label_space.foreground, config.empty_share)
        return posterior, heat, (1 - agreed).reshape(1)


class GraphContext:
    """A picture's maps with the network that takes them, as `QualityModel.log_prediction` asks for it."""

    def __init__(self, maps: Sequence[Tensor], denoiser: DenoiserGraph) -> None:
        self._maps, self._denoiser = maps, denoiser

    def denoise(self, seen: Tensor, condition: Tensor) -> Tensor:
        """The network's output, before the softmax."""
        return self._denoiser(seen, condition, *self._maps)


def agreement_of_tensors(posterior: Tensor, onehot: Tensor, foreground: Sequence[int], empty_share: float) -> Tensor:
    """`segqc.model.agreement.agreement` without a branch, so that one graph serves all masks.

    Parameters
    ----------
    posterior, onehot : Tensor, `[K, S, S]` float32
        The mask is all zero where void.
    foreground : sequence of int
    empty_share : float in (0, 1)

    Returns
    -------
    Tensor, a scalar
    """
    classes = torch.tensor(list(foreground))
    valid = onehot.sum(0).flatten()
    count = valid.sum()
    sharp = posterior.clamp(min=0).flatten(1) ** SHARPNESS
    belief = (sharp / sharp.sum(0, keepdim=True))[classes] * valid
    observed = onehot.flatten(1)[classes]
    greatest = torch.round(PRESENCE_SHARE * count).clamp(min=1)
    ranked = belief.sort(dim=1, descending=True).values  # void cells are zero and come last
    presence = (ranked * (torch.arange(ranked.shape[1]) < greatest)).sum(1) / greatest
    seen = observed.amax(1) > 0
    size = observed.sum(1) + belief.sum(1)
    dice = 2 * (observed * belief).sum(1) / torch.where(size > 0, size, 1.0)
    weight = torch.where(seen, 1.0, presence)
    usual = (weight * dice).sum() / weight.sum().clamp(min=1e-12)
    present = presence.amax().clamp(max=1)
    empty = empty_share * (1 - present)
    of_empty = empty / (empty + (1 - empty_share) * present)
    agreed = torch.where(seen.any(), usual, of_empty)
    return torch.where(count > 0, agreed, 1.0)
