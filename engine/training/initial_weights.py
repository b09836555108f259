"""Initial weights of a run: random, torchvision's, or those of another model, with checks for leakage."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from engine import config as configuration
from engine import starter
from engine.cards.leakage import Leak
from engine.cards.pairs import CardPair
from engine.config import BadConfig, Config
from engine.data.distillation import TeacherPredictions
from engine.data.selection import training_and_validation
from engine.device import precision
from engine.experiments.provenance import overlapping_cards, training_cards
from engine.experiments.run_folder import MODEL
from engine.model.dual_branch import DualBranch
from engine.model.encoders import WeightsUnavailable
from engine.storage import checkpoint
from engine.storage.file_hash import sha256

# Encoder weights are compatible if these settings agree.
ENCODERS = ("front_encoder", "back_encoder", "channels")
# These settings add inputs to the first fusion layer; if they differ, its columns have other meanings.
EXTRA_INPUTS = ("regions", "use_measurements")
FUSION_WEIGHT = "fuse.0.weight"


class _SavedModel(NamedTuple):
    """A model file of Loupe, with what is in it."""

    path: Path
    content: dict[str, Any]

    @property
    def pictures(self) -> set[str]:
        """SHA-256 of the training pictures that the file names with its out-of-fold predictions, as the starter's."""
        saved = self.content.get("out_of_fold")
        return set() if saved is None else {picture for key in saved["pictures"] for picture in key if picture}


@dataclass(frozen=True)
class InitialModel:
    """Network before its first step.

    source   name of the model or file with its weights, "" if they are random
    notices  sentences for the user
    """

    network: DualBranch
    source: str = ""
    notices: tuple[str, ...] = ()


def initialize_model(config: Config) -> InitialModel:
    """Create the network with the weights that `config.pretrained` names.

    Raises BadConfig if they do not exist or do not fit, BadModel if a model file is damaged.
    """
    if config.pretrained == "none":
        return InitialModel(DualBranch(config))
    saved = _saved_model(config)
    if saved is not None:
        return _from_model(config, saved)
    try:
        return InitialModel(DualBranch(config, pretrained=config.pretrained), Path(config.pretrained).name)
    except WeightsUnavailable as error:
        if config.frozen_layers != "none":
            raise BadConfig(f"{error}; or start from other weights, such as pretrained = starter") from error
        notice = f"PRETRAINED WEIGHTS MISSING: {error}; this run starts from random weights"
        return InitialModel(DualBranch(config), notices=(notice,))


def validate_run(config: Config, pairs: Sequence[CardPair] = (), folder: Path | None = None) -> None:
    """Check the settings of a new run before anything is prepared or written; downloads no weights.

    Raises BadConfig if the device or precision is unavailable, BadPredictions if a file of `teachers` cannot be read,
    and the errors of `initialize_model`.

    pairs   cards of the run; raises Leak if the initial model was trained on a validation or test card
    folder  run folder; raises BadConfig if the run would overwrite the initial model
    """
    precision(config)
    TeacherPredictions.from_setting(config.teachers)
    if config.pretrained in ("none", "imagenet"):
        return
    saved = _saved_model(config)
    if saved is None:
        initialize_model(config)  # raises if torchvision's weights do not fit
        return
    _compatible(config, saved)
    if folder is not None and saved.path.resolve() == (folder / MODEL).resolve():
        raise BadConfig(f"pretrained = {config.pretrained!r} would be overwritten by this run; give another folder")
    evaluation_cards = _evaluation_cards(config, pairs)
    known_pictures = saved.pictures
    known = [pair for pair in evaluation_cards if known_pictures and known_pictures & set(_hashes(pair))]
    for pair in [*known, *overlapping_cards(training_cards(saved.path).cards, evaluation_cards)]:
        raise Leak(
            f"pretrained = {config.pretrained!r} was trained on the card {pair.card_id!r}, which this run evaluates on "
            f"({pair.split}); use other weights, or move that model's training cards to the train split"
        )


def _hashes(pair: CardPair) -> list[str]:
    return [sha256(side) for side in (pair.front, pair.back) if side is not None and side.is_file()]


def _evaluation_cards(config: Config, pairs: Iterable[CardPair]) -> list[CardPair]:
    """Validation and test cards of a run."""
    labelled = [pair for pair in pairs if pair.has_class]
    validation = [pair for pair in training_and_validation(labelled, config) if pair.split == "val"]
    return validation + [pair for pair in labelled if pair.split == "test"]


def _saved_model(config: Config) -> _SavedModel | None:
    """The Loupe model that `config.pretrained` names; None for torchvision weights."""
    if config.pretrained == "imagenet":
        return None
    if config.pretrained == "starter":
        if not starter.MODEL.is_file():
            raise BadConfig("pretrained = 'starter': this copy of Loupe has no starter model; use other weights")
        return _SavedModel(starter.MODEL, checkpoint.load(starter.MODEL))
    path = Path(config.pretrained)
    if not path.exists():
        raise BadConfig(f"pretrained = {config.pretrained!r}: there is no such file; give another, starter or none")
    if (path / MODEL).is_file():
        raise BadConfig(f"pretrained = {config.pretrained!r} is a run's folder; give {path / MODEL}")
    content = checkpoint.load_own(path)
    return None if content is None else _SavedModel(path, content)


def _from_model(config: Config, saved: _SavedModel) -> InitialModel:
    """Copy all weights of a model that fit the network; the rest stays random."""
    model_config, name, weights = _compatible(config, saved)
    network = DualBranch(config)
    state = network.state_dict()
    copied = {key: weight for key, weight in weights.items() if key in state and weight.shape == state[key].shape}
    if any(getattr(model_config, key) != getattr(config, key) for key in EXTRA_INPUTS):
        copied.pop(FUSION_WEIGHT, None)
    network.load_state_dict(copied, strict=False)
    notice = _weights_notice(name, random=state.keys() - copied.keys(), unused=weights.keys() - state.keys())
    return InitialModel(network, name, (notice, *_leakage_notices(config, saved.path)))


def _compatible(config: Config, saved: _SavedModel) -> tuple[Config, str, dict[str, Tensor]]:
    """Config, name and weights of a model. Raises BadConfig unless its encoders are those of `config`."""
    content = saved.content
    try:
        model_config, name, weights = configuration.from_saved(content["config"]), content["name"], content["model"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadConfig(
            f"pretrained = {config.pretrained!r} is not a model that this version of Loupe can start from; give the "
            "model.pt of a run"
        ) from error
    for key in ENCODERS:
        if (value := getattr(model_config, key)) != getattr(config, key):
            raise BadConfig(
                f"pretrained = {config.pretrained!r} has {key} = {value!r} and this run {getattr(config, key)!r}; set "
                f"{key} = {value}, or use other weights"
            )
    return model_config, name, weights


def _weights_notice(name: str, random: Collection[str], unused: Collection[str]) -> str:
    parts = [f"starts with the weights of {name}"]
    parts += [f"{_module_names(random)} start from random weights, wholly or in part"] if random else []
    parts += [f"{_module_names(unused)} of that model are not used"] if unused else []
    return "; ".join(parts)


def _module_names(keys: Iterable[str]) -> str:
    """Sorted names of the modules of state dict keys: two levels deep for a side, else one."""
    names = (key.split(".") for key in keys)
    return ", ".join(sorted({" ".join(name[: 2 if name[0] in ("front", "back") else 1]) for name in names}))


def _leakage_notices(config: Config, path: Path) -> Iterator[str]:
    """Sentences on training cards of the initial model that cannot be checked for leakage."""
    if config.pretrained == "starter":
        return
    trained_on = training_cards(path)
    if trained_on.unknown:
        yield (
            f"the training cards of {trained_on.unknown} are unknown, since there is no run in its folder; if this run "
            "evaluates on some of them, its results are too good"
        )
    missing = [
        pair for pair in trained_on.cards if not any(side and side.is_file() for side in (pair.front, pair.back))
    ]
    if missing:
        yield (
            f"the pictures of {len(missing)} training cards of that model are missing; if this run evaluates on some "
            "of these cards, its results are too good"
        )
