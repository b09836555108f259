"""What a run begins from: random weights, torchvision's, or those of another model, which knows some cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from engine import checkpoint, starter
from engine import config as configuration
from engine.config import BadConfig, Config
from engine.leaks import Leak
from engine.model.dual import DualBranch
from engine.model.encoders import WeightsNotDownloaded
from engine.pairs import CardPair
from engine.run_folder import holds_run, told
from engine.trainable import has_class

# Weights of one encoder fit another where these agree.
ENCODERS = ("front_encoder", "back_encoder", "channels")


@dataclass(frozen=True)
class Beginning:
    """A network before its first step.

    of       whose weights it has, as a phrase that follows "begun from"; "" where they are random
    notices  what a person should know of it
    """

    network: DualBranch
    of: str = ""
    notices: tuple[str, ...] = ()


def begin(config: Config) -> Beginning:
    """The network with the weights that `config.pretrained` names.

    Raises BadConfig where they do not fit, BadModel where a model's file cannot be read.
    """
    if config.pretrained == "none":
        return Beginning(DualBranch(config))
    model = _model_of(config)
    if model is not None:
        return _of_model(config, model)
    try:
        return Beginning(DualBranch(config, pretrained=config.pretrained), Path(config.pretrained).name)
    except WeightsNotDownloaded as error:
        missing = f"PRETRAINED WEIGHTS MISSING: {error}; this run starts from random weights"
        return Beginning(DualBranch(config), notices=(missing,))


def refuse_unfit(config: Config, pairs: Sequence[CardPair]) -> None:
    """Raise what `begin` would raise of another model, and Leak where that model knows a card that judges this run.

    It knows the cards of the run in whose folder it lies, and those of the model which that run began from. A card is
    known again by the path of its front, or of its back where it has no other.
    """
    model = _model_of(config)
    if model is None:
        return
    _fitting(config, model)
    learned = _learned_by(model) or ()
    for pair in pairs:
        if pair.split in ("val", "test") and has_class(pair) and _shown(pair) in learned:
            raise Leak(
                f"the model that pretrained = {config.pretrained!r} names has learned from {pair.card_id!r}, which is "
                f"to judge this run ({pair.split}); split the cards as they were for that model, or begin from other "
                "weights"
            )


def _of_model(config: Config, path: Path) -> Beginning:
    """With every weight of the other model that has a place in this network; the rest is drawn."""
    name, weights = _fitting(config, path)
    network = DualBranch(config)
    own = network.state_dict()
    taken = {key: weight for key, weight in weights.items() if key in own and weight.shape == own[key].shape}
    network.load_state_dict(taken, strict=False)
    drawn = sorted({key.split(".")[0] for key in own.keys() - taken.keys()})
    return Beginning(network, name, (_said(name, drawn), *_of_unknown(config, path)))


def _fitting(config: Config, path: Path) -> tuple[str, dict[str, Tensor]]:
    """The name and the weights of a model whose encoders are those of the config."""
    content = checkpoint.load(path)
    try:
        theirs, name, weights = configuration.build(content["config"]), content["name"], content["model"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadConfig(
            f"pretrained = {config.pretrained!r} is no model that this version of Loupe can begin from; give the "
            "model.pt of a run"
        ) from error
    for key in ENCODERS:
        if (needed := getattr(theirs, key)) != getattr(config, key):
            raise BadConfig(
                f"pretrained = {config.pretrained!r} has {key} = {needed!r} and this run {getattr(config, key)!r}; set "
                f"{key} = {needed}, or begin from other weights"
            )
    return name, weights


def _said(name: str, drawn: Sequence[str]) -> str:
    return f"begins with the weights of {name}" + (
        f"; {', '.join(drawn)} begin anew, whole or in part" if drawn else ""
    )


def _of_unknown(config: Config, path: Path) -> tuple[str, ...]:
    if config.pretrained == "starter" or _learned_by(path) is not None:
        return ()
    return (f"no run lies beside {path}: if it has learned from cards that judge this run, their figures flatter",)


def _model_of(config: Config) -> Path | None:
    """The file of the Loupe model that a run begins from; None where it begins otherwise."""
    if config.pretrained == "starter":
        return starter.MODEL
    path = Path(config.pretrained)
    return path if path.is_file() and checkpoint.is_ours(path) else None


def _learned_by(model: Path) -> frozenset[Path | None] | None:
    """What is shown by the cards that a model and those before it have learned from; None where no run tells."""
    if not holds_run(model.parent):
        return None
    config, pairs = told(model.parent)
    before = _model_of(config)
    earlier = _learned_by(before) if before is not None else None
    return frozenset(_shown(pair) for pair in pairs if pair.split == "train") | (earlier or frozenset())


def _shown(pair: CardPair) -> Path | None:
    whole = pair.absolute()
    return whole.front or whole.back
