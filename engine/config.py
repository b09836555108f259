"""Settings of a training run: one frozen model with defaults, bounds and help texts.

The form in the Train tab, `--set key=value`, the run row and the checkpoint all use these flat keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from engine.errors import BadInput
from engine.paths import expand_path
from engine.thresholds import BadThreshold, parse_conditions

MIN_IMAGE_PX, MAX_IMAGE_PX, IMAGE_PX_MULTIPLE = 64, 1024, 32
# Of this width an encoder's map has 7 columns: two corners of 3 and an edge between them.
MIN_RIM_PX = 224


def _check_image_size(value: Any) -> int | str:
    """An integer for a square, or "HxW"; equal sides are written as one integer."""
    sides = str(value).lower().split("x")
    if not 1 <= len(sides) <= 2 or not all(side.strip().isdecimal() for side in sides):
        raise ValueError("give one number for a square, or HEIGHTxWIDTH such as 352x256")
    height, width = (int(side) for side in (sides * 2)[:2])
    for side in (height, width):
        if not MIN_IMAGE_PX <= side <= MAX_IMAGE_PX or side % IMAGE_PX_MULTIPLE:
            raise ValueError(
                f"each side must be a multiple of {IMAGE_PX_MULTIPLE} from {MIN_IMAGE_PX} to {MAX_IMAGE_PX}"
            )
    return height if height == width else f"{height}x{width}"


ImageSize = Annotated[int | str, BeforeValidator(_check_image_size)]
Encoder = Literal["resnet18", "resnet34", "resnet50", "mobilenet_v2", "efficientnet_lite0", "efficientnet_lite2"]
Loss = Literal["ce_emd", "ordinal"]
ClassWeights = Literal["balanced", "none"]
Schedule = Literal["plateau", "cosine", "one_cycle", "constant"]
Precision = Literal["auto", "32", "bf16", "16"]
Channels = Literal["six", "rgb"]
Attention = Literal["cbam_rim", "cbam", "none"]
FrozenLayers = Literal["none", "early", "encoders"]
FeatureStage = Literal["last", "penultimate"]
Pooling = Literal["mean", "rim"]
KeptEpoch = Literal["best", "last"]

CONTROL_CANNOT_GRADE = "is a control trained on the {} instead of the card; it cannot grade, choose another model"
# Named initial weights; any other value of `pretrained` is a path.
WEIGHTS = ("none", "starter", "imagenet")
# Settings that earlier versions saved under another name: old name -> current name.
RENAMED_SETTINGS = {
    "seen": "input_region",
    "teachers_share": "teacher_weight",
    "worn_up_to": "synthetic_wear_per_grade",
    "measured_inputs": "use_measurements",
    "measured_dropout": "measurement_dropout",
    "measured_targets": "auxiliary_targets",
}

# Settings of earlier versions; 0 is off. They changed the training alone, so that a model is loaded without them.
REMOVED_SETTINGS = ("soft_label_width",)

InputRegion = Literal["card", "background", "label", "picture"]


class Role(Enum):
    """Roles of a setting in the form and in the comparison of runs; a setting may have several."""

    MAIN = "changed by most runs: shown first in the form"
    MACHINE = "of the machine or the amount of data, not of the experiment: recorded, but not counted as a change"
    SCALE = "of scale: all of them together count as one change"
    LOSS = "of the loss: if it differs, two losses are not comparable"
    CARDS = "adds or drops training cards: balanced class weights, and so the loss, depend on the cards per grade"
    CARD_PIXELS = "feeds card pixels or measurements to the network; a control may use none of them"


MAIN, MACHINE, SCALE, LOSS, CARDS, CARD_PIXELS = Role


class EffectiveWith(NamedTuple):
    """The condition for a setting to have an effect: another setting has this value, or with None is on."""

    setting: str
    value: str | None = None

    def holds(self, config: Config) -> bool:
        """Return True if the setting has an effect."""
        value = getattr(config, self.setting)
        return bool(value) if self.value is None else value == self.value


class BadConfig(BadInput):
    """An unknown or out-of-bounds setting; the message names the key, the value and the remedy."""


class Config(BaseModel):
    """Settings of one training run. Immutable; the docstring of a field is its help text in the Train tab."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    front_encoder: Annotated[Encoder, MAIN, SCALE] = Field("resnet18", title="Front network")
    """Network that reads the front of the card."""
    back_encoder: Annotated[Encoder, MAIN, SCALE] = Field("resnet34", title="Back network")
    """Network that reads the back of the card."""
    pretrained: Annotated[str, SCALE] = Field("none", title="Initial weights")
    """Initial weights: none (random), starter (the model shipped with Loupe), imagenet (downloaded once), or a path: a
    run's model.pt, or torchvision weights as one file for both encoders or a folder of resnet18.pth etc."""
    image_size: Annotated[ImageSize, MAIN, SCALE] = 224
    """Width and height of the network's input, in pixels: 224 is fast, 384 standard, 448 high resolution. Or
    HEIGHTxWIDTH: 352x256 has a card's shape and wastes no pixels."""
    channels: Channels = "six"
    """Input channels: six (lightness, colors and gradients) or rgb (plain red, green and blue)."""
    feature_stage: FeatureStage = "last"
    """Stage of the encoders whose features are used: last, or penultimate, which is less specific to the classes of the
    pretraining; EfficientNet-Lite only."""
    pooling: Pooling = "mean"
    """Summary of an encoder's features over the side: their mean, or rim, which adds mean and maximum over the four
    edges and over the four corners, where most wear is; for card-shaped input."""
    attention: Attention = "cbam_rim"
    """Attention on the back's last features: cbam (over channels and positions), cbam_rim (the same, with a mask of the
    card's rim) or none."""
    frozen_layers: FrozenLayers = "none"
    """Encoder layers that keep their initial weights: none, early (those before 1/8 of the resolution) or encoders
    (all). Unless none, the batch statistics of both encoders are fixed too. For pretrained weights and few cards."""
    cached_views: int = Field(6, ge=1, le=64)
    """Augmented views of each picture that are encoded once, if all encoder layers are frozen: more of them give more
    variety and take longer to prepare."""
    batch_size: Annotated[int, MAIN, SCALE] = Field(16, ge=2, le=512)
    """Cards per training step."""
    phase1_epochs: Annotated[int, SCALE] = Field(0, ge=0, le=1000)
    """Epochs of phase 1, which trains on the backs only; the front encoder is frozen."""
    phase2_epochs: Annotated[int, MAIN, SCALE] = Field(50, ge=0, le=1000, title="Epochs")
    """Passes over the training cards in phase 2, which trains on fronts and backs together."""
    lr_phase1: Annotated[float, EffectiveWith("phase1_epochs")] = Field(
        3e-4, gt=0, le=1, title="Learning rate, phase 1"
    )
    """Base learning rate of phase 1."""
    lr_phase2: Annotated[float, EffectiveWith("phase2_epochs")] = Field(3e-4, gt=0, le=1, title="Learning rate")
    """Base learning rate of phase 2."""
    schedule: Schedule = "plateau"
    """Learning rate over the epochs: plateau (halved when validation QWK stops rising), cosine, one_cycle (up, then
    down) or constant."""
    weight_decay: float = Field(2e-4, ge=0, le=1)
    """Weight decay of the AdamW optimizer, which pulls the weights towards zero."""
    dropout: float = Field(0.25, ge=0, lt=1)
    """Fraction of the fused features switched off at random during training."""
    loss: Annotated[Loss, LOSS] = "ce_emd"
    """Grade loss: ce_emd (weighted cross-entropy plus earth mover's distance) or ordinal (cumulative cross-entropy)."""
    alpha_emd: Annotated[float, LOSS, EffectiveWith("loss", "ce_emd")] = Field(
        0.7, ge=0, le=10, title="Weight of the earth mover's distance"
    )
    """Weight of the earth mover's distance, added to cross-entropy."""
    beta_edge: Annotated[float, LOSS, EffectiveWith("auxiliary_targets")] = Field(
        0.05, ge=0, le=10, title="Weight of the edge-damage loss"
    )
    """Weight of the edge-damage loss, on cards whose edge damage was measured."""
    beta_center: Annotated[float, LOSS, EffectiveWith("auxiliary_targets")] = Field(
        0.1, ge=0, le=10, title="Weight of the centering loss"
    )
    """Weight of the centering loss, on cards whose centering was measured."""
    auxiliary_targets: Annotated[bool, LOSS] = True
    """Measure edge damage and centering of the training cards once, and train the network to predict both."""
    label_smoothing: Annotated[float, LOSS] = Field(0.0, ge=0, lt=1)
    """Fraction of each label that is spread evenly over the ten grades."""
    teachers: Annotated[str, LOSS] = ""
    """Distillation: comma-separated files written by evaluate --predictions; their average prediction becomes part of a
    card's training target. Empty is off."""
    teacher_weight: Annotated[float, LOSS, EffectiveWith("teachers")] = Field(0.5, ge=0, le=1)
    """Weight of the teachers' prediction in a card's training target; the label gets the rest. A card without a
    prediction is trained on its label alone."""
    focal_gamma: Annotated[float, LOSS] = Field(0.0, ge=0, le=5)
    """Focal loss: higher values reduce the weight of cards that are already graded well; 0 is plain cross-entropy."""
    mixup_alpha: Annotated[float, LOSS] = Field(0.0, ge=0, le=10)
    """Mixup: blend cards in pairs, with a ratio drawn from Beta(alpha, alpha); 0 is off."""
    class_weights: Annotated[ClassWeights, LOSS] = "balanced"
    """Weight the loss by inverse class frequency, so that rare grades count more: balanced or none."""
    class_weight_cap: Annotated[float, LOSS, EffectiveWith("class_weights", "balanced")] = Field(0.0, ge=0, le=1000)
    """Maximum class weight; 0 is unlimited."""
    sampler_eta: float = Field(0.0, ge=0, le=1, title="Sampling of rare grades")
    """Draw cards of rare grades more often, in proportion to 1 / frequency ** eta; 0 draws each card once per epoch."""
    fusion_weight: float = Field(0.7, ge=0, le=1)
    """Weight of the back in the fused features; the front gets the rest."""
    regions: Annotated[bool, CARD_PIXELS] = False
    """Also read corners and edges at the picture's full resolution, with a small extra network."""
    use_measurements: Annotated[bool, CARD_PIXELS] = False
    """Also feed the network the measurements of each side: centering, corners, edges, lines and stains."""
    measurement_dropout: Annotated[float, EffectiveWith("use_measurements")] = Field(0.0, ge=0, lt=1)
    """Fraction of sides whose measurements are hidden during training, so that the network also learns from pixels
    alone."""
    pixel_dropout: Annotated[float, EffectiveWith("use_measurements")] = Field(0.0, ge=0, lt=1)
    """Fraction of cards whose pixels are hidden during training, so that the network also learns from measurements
    alone. A card in a picture unlike the training pictures is then graded by them."""
    side_dropout: float = Field(0.0, ge=0, lt=1)
    """Fraction of cards that lose one of their two sides during training, so that the model can grade a single side."""
    augment: bool = True
    """Shift, rotate, flip and relight the training pictures a little, differently in each epoch."""
    vary_photograph: bool = False
    """Also vary resolution, sharpness, compression, noise, exposure and colors of the training pictures strongly, so
    that the model learns the card's wear instead of the way it was photographed."""
    synthetic_wear_per_grade: Annotated[int, CARDS, CARD_PIXELS] = Field(0, ge=0, le=100_000)
    """Fill grades 1 to 8 with synthetically worn copies of your 9s and 10s, up to this many training cards per grade; 0
    is off."""
    ema_decay: float = Field(0.0, ge=0, lt=1, title="EMA decay")
    """Decay of the exponential moving average (EMA) of the weights, which is then validated and saved; 0 is off."""
    kept_epoch: KeptEpoch = "best"
    """Epoch whose model is kept: best (highest validation QWK) or last, so that the validation cards choose nothing."""
    stop_if: Annotated[str, MACHINE] = Field("", title="Stop early if")
    """Early-stop rules, comma-separated, e.g. qwk<0.40@13: fail the run if QWK is below .40 at epoch 13."""
    max_pairs: Annotated[int, MAIN, MACHINE, CARDS] = Field(0, ge=0, title="Maximum cards")
    """Use at most this many training and validation cards, with the same mix of grades; 0 uses all."""
    input_region: Annotated[InputRegion, LOSS] = "card"
    """Part of the picture that the network gets: card, or for control models, which cannot grade, background (all but
    the card), label (the slab's label) or picture (everything)."""
    seed: Annotated[int, MACHINE] = Field(0, ge=0, lt=2**31)
    """Random seed of the run."""
    device: Annotated[Literal["auto", "cpu", "cuda"], MACHINE] = "auto"
    """Device to train on; auto uses the GPU if there is one."""
    precision: Annotated[Precision, MACHINE] = "auto"
    """Number format during training; auto is bf16 on a GPU that supports it, else 32 bits."""

    @model_validator(mode="before")
    @classmethod
    def _drop_removed_settings(cls, settings: Any) -> Any:
        """Drop those that were off; a run that used one cannot be resumed, as its key is refused."""
        if not isinstance(settings, dict):
            return settings
        return {key: value for key, value in settings.items() if value or key not in REMOVED_SETTINGS}

    @field_validator("pretrained")
    @classmethod
    def _absolute_pretrained_path(cls, name: str) -> str:
        """Store an absolute path: the run may be resumed from another working directory."""
        return name if name in WEIGHTS else str(expand_path(name).absolute()) if name.strip() else "none"

    @field_validator("teachers")
    @classmethod
    def _absolute_teacher_paths(cls, names: str) -> str:
        return ",".join(str(expand_path(name.strip()).absolute()) for name in names.split(",") if name.strip())

    @field_validator("stop_if")
    @classmethod
    def _stop_if_needs_epochs(cls, text: str) -> str:
        without_epoch = [rule for rule in parse_conditions(text) if rule.epoch is None]
        if without_epoch:
            raise BadThreshold(f"{without_epoch[0]} names no epoch; write it as {without_epoch[0]}@13")
        return text

    @property
    def canvas_shape(self) -> tuple[int, int]:
        """(height, width) of the network's input in pixels."""
        height, _, width = str(self.image_size).partition("x")
        return int(height), int(width or height)

    @property
    def caches_features(self) -> bool:
        """True if the features of each side are fixed, so that they can be computed once."""
        fixed = self.frozen_layers == "encoders" and self.attention == "none"
        # Region crops and measured targets are mirrored with the picture.
        return fixed and not self.regions and not self.auxiliary_targets

    @property
    def epochs(self) -> int:
        """Epochs of both phases together."""
        return self.phase1_epochs + self.phase2_epochs


def fields(role: Role | None = None) -> dict[str, FieldInfo]:
    """Settings, all or those with a role, with default, bounds and help text, in the order of the form."""
    return {key: field for key, field in Config.model_fields.items() if role is None or role in field.metadata}


def effective_with(name: str) -> EffectiveWith | None:
    """Condition for a setting to have an effect; None if it always has."""
    return next((mark for mark in Config.model_fields[name].metadata if isinstance(mark, EffectiveWith)), None)


def choices(name: str) -> tuple[str, ...]:
    """Allowed values of a setting that is a choice; empty for any other setting."""
    values = get_args(Config.model_fields[name].annotation)
    return values if all(isinstance(value, str) for value in values) else ()


def build(changes: dict[str, Any]) -> Config:
    """Build a config from the defaults and `changes`; text is parsed to the type of the setting. Raises BadConfig."""
    try:
        config = Config(**changes)
    except ValidationError as error:
        raise BadConfig(_sentence(error)) from error
    if config.epochs == 0:
        raise BadConfig("phase1_epochs and phase2_epochs are both 0; give at least one phase an epoch")
    late = [rule for rule in parse_conditions(config.stop_if) if rule.epoch is not None and rule.epoch > config.epochs]
    if late:
        raise BadConfig(
            f"stop_if = {str(late[0])!r} is never reached: the run ends at epoch {config.epochs}; use that or an "
            "earlier epoch"
        )
    _check_features(config)
    card_only = [key for key in fields(CARD_PIXELS) if getattr(config, key)]
    if config.input_region != "card" and card_only:
        raise BadConfig(
            f"{card_only[0]} requires input_region = card, but input_region is {config.input_region}; switch it off"
        )
    return config


def _check_features(config: Config) -> None:
    """Raise BadConfig if the encoders lack the stage, or their maps the rim."""
    others = [name for name in (config.front_encoder, config.back_encoder) if not name.startswith("efficientnet_lite")]
    if config.feature_stage == "penultimate" and others:
        raise BadConfig(f"feature_stage = penultimate requires efficientnet_lite encoders, not {others[0]}; use last")
    if config.pooling == "rim" and (
        config.canvas_shape[0] <= config.canvas_shape[1] or min(config.canvas_shape) < MIN_RIM_PX
    ):
        raise BadConfig(
            f"pooling = rim requires a card-shaped image_size at least {MIN_RIM_PX} pixels wide, such as 352x256, not "
            f"{config.image_size}; change one of them"
        )


def current_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the keys of saved settings that an earlier version wrote under another name."""
    return {RENAMED_SETTINGS.get(key, key): value for key, value in dict(settings).items()}


def from_saved(settings: Mapping[str, Any]) -> Config:
    """Build a config from settings saved by this or an earlier version. Raises BadConfig."""
    return build({key: value for key, value in current_names(settings).items() if key not in REMOVED_SETTINGS})


def parse_settings(settings: Iterable[str]) -> dict[str, str]:
    """Parse the `key=value` texts of --set. Raises BadConfig if one has no "=" or an unknown key."""
    changes: dict[str, str] = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator:
            raise BadConfig(f"--set {setting!r} has no '='; write it as key=value")
        if key.strip() not in Config.model_fields:
            raise BadConfig(_unknown(key.strip()))
        changes[key.strip()] = value.strip()
    return changes


def difference(config: Config, parent: Config) -> dict[str, tuple[Any, Any]]:
    """Settings that differ from the parent's: key -> (value in `parent`, value in `config`)."""
    values, parent_values = config.model_dump(), parent.model_dump()
    return {key: (parent_values[key], value) for key, value in values.items() if value != parent_values[key]}


def _unknown(key: str) -> str:
    if key in RENAMED_SETTINGS:
        return f"the setting {key!r} is now called {RENAMED_SETTINGS[key]!r}; use the new name"
    return f"{key!r} is not a setting; the settings are {', '.join(Config.model_fields)}"


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown(key)
    reason = first["msg"].removeprefix("Value error, ")
    return f"{key} = {first['input']!r} is not allowed: {reason[0].lower()}{reason[1:]}"
