"""All that a run can be told: one frozen model, with bounds and help beside each default.

The form in the Train tab, `--set key=value`, the run row and the checkpoint all use these flat keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from engine.errors import BadInput
from engine.paths import written
from engine.thresholds import BadThreshold, parse_all

Encoder = Literal["resnet18", "resnet34", "resnet50", "mobilenet_v2"]
Loss = Literal["ce_emd", "ordinal"]
ClassWeights = Literal["balanced", "none"]
Schedule = Literal["plateau", "cosine", "one_cycle", "constant"]
Precision = Literal["auto", "32", "bf16", "16"]
Channels = Literal["six", "rgb"]
Attention = Literal["cbam_rim", "cbam", "none"]

# Starting weights that have a name; all others are paths.
WEIGHTS = ("none", "starter", "imagenet")

Seen = Literal["card", "background", "label", "picture"]
# Settings that show the network the card by itself: none of them goes with a control.
SHOW_THE_CARD = frozenset({"worn_up_to", "regions", "measured_inputs"})


class BadConfig(BadInput):
    """A setting that is not known or out of bounds; the message names the key, the value and the remedy."""


class Config(BaseModel):
    """One training run's settings. Immutable; every field has a default, bounds and a sentence of help."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    front_encoder: Encoder = "resnet18"
    """Network that reads the front."""
    back_encoder: Encoder = "resnet34"
    """Network that reads the back."""
    pretrained: str = "none"
    """Starting weights: none, starter (the model that ships), a run's model.pt, imagenet (downloaded once), or
    torchvision's own: a file for both encoders, or a folder of resnet18.pth etc."""
    image_size: int = Field(224, ge=64, le=1024, multiple_of=32)
    """Side of the square the card is fitted into, in pixels; 224 is quick, 384 standard, 448 high resolution."""
    channels: Channels = "six"
    """What the encoders see: lightness, colours and gradients (six channels), or plain red, green and blue."""
    attention: Attention = "cbam_rim"
    """Attention on the back's last features: channels and places (CBAM), told where the rim lies or not; or none."""
    batch_size: int = Field(16, ge=2, le=512)
    """Cards that go through the network together."""
    phase1_epochs: int = Field(0, ge=0, le=1000)
    """Epochs of phase 1: back only, the front encoder frozen."""
    phase2_epochs: int = Field(50, ge=0, le=1000)
    """Epochs of phase 2: front and back together."""
    lr_phase1: float = Field(3e-4, gt=0, le=1)
    """Learning rate at the start of phase 1."""
    lr_phase2: float = Field(3e-4, gt=0, le=1)
    """Learning rate at the start of phase 2."""
    schedule: Schedule = "plateau"
    """How the rate moves: halved when validation QWK stops rising, along a cosine, up and down once, or not at all."""
    weight_decay: float = Field(2e-4, ge=0, le=1)
    """AdamW's pull of the weights towards zero."""
    dropout: float = Field(0.25, ge=0, lt=1)
    """Share of the fused features switched off at random while training."""
    loss: Loss = "ce_emd"
    """Grade loss: weighted cross-entropy plus earth mover's distance, or cumulative (ordinal) cross-entropy."""
    alpha_emd: float = Field(0.7, ge=0, le=10)
    """Weight of the earth mover's distance beside cross-entropy."""
    beta_edge: float = Field(0.05, ge=0, le=10)
    """Weight of the edge-damage loss, where edge damage was measured."""
    beta_center: float = Field(0.1, ge=0, le=10)
    """Weight of the centering loss, where centering was measured."""
    measured_targets: bool = True
    """Whether edge damage and centering are measured on the cards, once, for those two losses."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of each label spread evenly over the ten grades."""
    soft_label_width: float = Field(0.0, ge=0, le=10)
    """Soft ordinal labels: a grade d away gets a share in proportion to exp(-d / width); 0 is off."""
    teachers: str = ""
    """Files of evaluate --predictions, separated by commas: what those models say on average of the training cards is
    learned too (distillation); empty is off."""
    teachers_share: float = Field(0.5, ge=0, le=1)
    """How much of a card's target is its teachers' word, where they have one; the label has the rest."""
    focal_gamma: float = Field(0.0, ge=0, le=5)
    """Focal loss: how strongly cards that are already right are played down; 0 is plain cross-entropy."""
    mixup_alpha: float = Field(0.0, ge=0, le=10)
    """Mixup: cards are blended in pairs, both sides alike, with a share drawn from Beta(alpha, alpha); 0 is off."""
    class_weights: ClassWeights = "balanced"
    """Whether a rare grade counts more in the loss."""
    class_weight_cap: float = Field(0.0, ge=0, le=1000)
    """Largest class weight allowed; 0 is unlimited."""
    sampler_eta: float = Field(0.0, ge=0, le=1)
    """Draw rare grades more often, with probability 1 / frequency ** eta; 0 draws every card once an epoch."""
    fusion_weight: float = Field(0.7, ge=0, le=1)
    """Share of the back in the fused features; the front has the rest."""
    regions: bool = False
    """Whether corners and edges are also read at the picture's own resolution, by a small network of their own."""
    measured_inputs: bool = False
    """Whether the network is also told what was measured on each side: centering, corners, edges, lines, stains."""
    measured_dropout: float = Field(0.0, ge=0, lt=1)
    """Share of sides whose measurements are hidden while training, so that the pixels by themselves are learned too."""
    side_dropout: float = Field(0.0, ge=0, lt=1)
    """Share of cards that lose one of their two sides while training, so that a missing side is learned."""
    augment: bool = True
    """Whether training pictures are shifted, turned, flipped and lit a little differently each epoch."""
    worn_up_to: int = Field(0, ge=0, le=100_000)
    """Fill grades 1 to 8 with worn copies of your 9s and 10s, up to this many training cards each; 0 makes none."""
    ema_decay: float = Field(0.0, ge=0, lt=1)
    """Validate and save a moving average of the weights that keeps this share of itself each step; 0 is off."""
    stop_if: str = ""
    """Rules that end the run as failed, asked of the epoch they name: qwk<0.40@13, more of them after commas."""
    max_pairs: int = Field(0, ge=0)
    """At most this many cards to learn from and to validate on, keeping the mix of both and of grades; 0 takes all."""
    seen: Seen = "card"
    """What the network is shown. All but the card are controls, which never grade: the picture without its card, the
    slab's label alone, or the whole picture, label and all."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Every random choice of the run follows from this number."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes the GPU where there is one."""
    precision: Precision = "auto"
    """Numbers between the layers while training; auto is bf16 on a GPU that has it, else 32 bits."""

    @field_validator("pretrained")
    @classmethod
    def _weights_lie_where_they_lay(cls, name: str) -> str:
        """Whoever goes on with the run, or asks what its model has learned from, may stand in another folder."""
        return name if name in WEIGHTS else str(written(name).absolute()) if name.strip() else "none"

    @field_validator("teachers")
    @classmethod
    def _teachers_lie_where_they_lay(cls, names: str) -> str:
        return ",".join(str(written(name.strip()).absolute()) for name in names.split(",") if name.strip())

    @field_validator("stop_if")
    @classmethod
    def _stop_if_names_epochs(cls, text: str) -> str:
        endless = [rule for rule in parse_all(text) if rule.epoch is None]
        if endless:
            raise BadThreshold(f"{endless[0]} names no epoch to be asked at; write it as {endless[0]}@13")
        return text

    @property
    def epochs(self) -> int:
        """Epochs of both phases."""
        return self.phase1_epochs + self.phase2_epochs


def fields() -> dict[str, FieldInfo]:
    """Every key with its default, bounds and help, in the order a form shows them."""
    return Config.model_fields


def choices(name: str) -> tuple[str, ...]:
    """The values a key may take where it is one of a list, else none."""
    values = get_args(Config.model_fields[name].annotation)
    return values if all(isinstance(value, str) for value in values) else ()


def build(changes: dict[str, Any]) -> Config:
    """Make a config from defaults and changes; text is read as the key's own type. Raises BadConfig."""
    try:
        config = Config(**changes)
    except ValidationError as error:
        raise BadConfig(_sentence(error)) from error
    if config.epochs == 0:
        raise BadConfig("phase1_epochs and phase2_epochs are both 0; give at least one phase an epoch")
    late = [rule for rule in parse_all(config.stop_if) if rule.epoch is not None and rule.epoch > config.epochs]
    if late:
        raise BadConfig(
            f"stop_if = {str(late[0])!r} is never asked: the run ends with epoch {config.epochs}; name that or less"
        )
    showing = [key for key, value in config.model_dump().items() if key in SHOW_THE_CARD and value]
    if config.seen != "card" and showing:
        raise BadConfig(
            f"{showing[0]} goes with seen = card alone, and seen = {config.seen} is a control; switch it off"
        )
    return config


def parse_settings(settings: Iterable[str]) -> dict[str, str]:
    """Read `key=value` texts as --set takes them. Raises BadConfig where one has no "=" or an unknown key."""
    changes: dict[str, str] = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator:
            raise BadConfig(f"--set {setting!r} has no '='; write it as key=value")
        if key.strip() not in Config.model_fields:
            raise BadConfig(f"{key.strip()!r} is no setting; the settings are {', '.join(Config.model_fields)}")
        changes[key.strip()] = value.strip()
    return changes


def difference(config: Config, parent: Config) -> dict[str, tuple[Any, Any]]:
    """What differs from the parent: key -> (parent's value, own value)."""
    ours, theirs = config.model_dump(), parent.model_dump()
    return {key: (theirs[key], ours[key]) for key in ours if ours[key] != theirs[key]}


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{key!r} is no setting; the settings are {', '.join(Config.model_fields)}"
    reason = first["msg"].removeprefix("Value error, ")
    return f"{key} = {first['input']!r} is not allowed: {reason[0].lower()}{reason[1:]}"
