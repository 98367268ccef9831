"""The model that a training configuration describes."""

import dataclasses

import torch

import ncsnpp
from ncsnpp import NCSNppConfig
from segqc.base.fingerprints import stable_seed
from segqc.data.labels import LabelSpace
from segqc.model.config import ModelConfig
from segqc.model.methods import find_method
from segqc.model.quality_model import QualityModel
from segqc.training.resolved import ResolvedTrainConfig


def model_config(config: ResolvedTrainConfig, labels: LabelSpace) -> ModelConfig:
    """The model that a configuration describes; needs no weights."""
    method = find_method(config.method)
    return ModelConfig(
        method=config.method,
        labels=labels.to_dict(),
        image_size=config.image_size,
        grid_size=config.grid_size,
        encoder=config.encoder,
        network=network_config(config, labels.num_classes),
        ladder=method.ladder(labels.num_classes),
        draws=method.draws,
        classifier=_uses_classifier(config),
        mask_only=config.mask_only,
        tiles=config.tiles,
    )


def network_config(config: ResolvedTrainConfig, num_classes: int) -> NCSNppConfig:
    """The preset's network, at the sizes asked for."""
    if config.encoder is None:
        scale = find_method(config.method).fourier_scale
        return dataclasses.replace(ncsnpp.voc256(num_classes), grid_size=config.grid_size, fourier_scale=scale)
    encoder = ncsnpp.encoder_shape(config.encoder, _uses_classifier(config), config.image_size)
    build = {"cpu": ncsnpp.cpu, "fast": ncsnpp.fast}.get(config.preset, ncsnpp.voc128)
    channels, reductions = encoder.channels, encoder.reductions
    if encoder.head_channels:
        channels, reductions = (*channels, encoder.head_channels), (*reductions, reductions[-1])
    return build(num_classes, channels, reductions, config.image_size, config.grid_size)


def _uses_classifier(config: ResolvedTrainConfig) -> bool:
    return config.classifier and config.encoder is not None and ncsnpp.has_classifier(config.encoder)


def new_model(config: ResolvedTrainConfig, labels: LabelSpace) -> QualityModel:
    """A model with fresh network weights, the same for every run with this seed, and a pretrained encoder."""
    torch.manual_seed(stable_seed(config.seed, "init"))
    return QualityModel(model_config(config, labels), pretrained=True, encoder_weights=config.encoder_weights)
