"""What a run begins from: random weights, torchvision's, or those of another model, which knows some cards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from engine import config as configuration
from engine import starter
from engine.cards.leakage import Leak
from engine.cards.pairs import CardPair
from engine.config import BadConfig, Config
from engine.data.distillation import Teachers
from engine.data.selection import taken
from engine.device import precision
from engine.experiments.provenance import again, learned_by
from engine.experiments.run_folder import MODEL
from engine.model.dual_branch import DualBranch
from engine.model.encoders import WeightsNotDownloaded
from engine.storage import checkpoint

# Weights of one encoder fit another where these agree.
ENCODERS = ("front_encoder", "back_encoder", "channels")
# What these add the first fusing layer reads in places of its own: where they differ, it would read one for the other.
BESIDE = ("regions", "measured_inputs")
READS_BESIDE = "fuse.0.weight"


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

    Raises BadConfig where there are none or they do not fit, BadModel where a model's file is damaged.
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


def refuse_unfit(config: Config, pairs: Sequence[CardPair] = (), folder: Path | None = None) -> None:
    """Raise what the run would raise at its beginning, before anything is prepared or written: a folder that holds a
    run can only be gone on with as it was told. No weights are downloaded for it.

    BadConfig where the device or its precision is not to be had, BadPredictions where its teachers cannot be read, and
    what `begin` raises.

    pairs   the cards of the run. Leak is raised where the model that it begins from has learned from one of those that
            are to judge it.
    folder  where the run would write; BadConfig is raised where that would be over the model itself
    """
    precision(config)
    Teachers.named(config.teachers)
    if config.pretrained in ("none", "imagenet"):
        return
    begin(config)
    model = _model_of(config)
    if model is None:
        return
    if folder is not None and model.resolve() == (folder / MODEL).resolve():
        raise BadConfig(
            f"pretrained = {config.pretrained!r} is the file that this run would write; give another folder"
        )
    for pair in again(learned_by(model).cards, _judges(config, pairs)):
        raise Leak(
            f"the model that pretrained = {config.pretrained!r} names has learned from {pair.card_id!r}, which is to "
            f"judge this run ({pair.split}); begin from other weights, or let the cards that it knows train again"
        )


def _judges(config: Config, pairs: Iterable[CardPair]) -> list[CardPair]:
    """The cards that a run's epoch is chosen by, and those sealed to judge it in the end."""
    told = [pair for pair in pairs if pair.has_class]
    return [pair for pair in taken(told, config) if pair.split == "val"] + [p for p in told if p.split == "test"]


def _model_of(config: Config) -> Path | None:
    """The file of the Loupe model that a run begins from; None where its weights are torchvision's."""
    if config.pretrained == "imagenet":
        return None
    if config.pretrained == "starter":
        if not starter.MODEL.is_file():
            raise BadConfig(
                "pretrained = 'starter': this copy of Loupe ships no starter model; begin from other weights"
            )
        return starter.MODEL
    path = Path(config.pretrained)
    if not path.exists():
        raise BadConfig(f"pretrained = {config.pretrained!r}: there is no such file; give another, starter or none")
    if (path / MODEL).is_file():
        raise BadConfig(f"pretrained = {config.pretrained!r} is a run's folder; give {path / MODEL}")
    return path if checkpoint.is_ours(path) else None


def _of_model(config: Config, path: Path) -> Beginning:
    """With every weight of the other model that has a place in this network; the rest is drawn."""
    theirs, name, weights = _fitting(config, path)
    network = DualBranch(config)
    own = network.state_dict()
    taken = {key: weight for key, weight in weights.items() if key in own and weight.shape == own[key].shape}
    if any(getattr(theirs, key) != getattr(config, key) for key in BESIDE):
        taken.pop(READS_BESIDE, None)
    network.load_state_dict(taken, strict=False)
    said = _said(name, own.keys() - taken.keys(), weights.keys() - own.keys())
    return Beginning(network, name, (said, *_of_unknown(config, path)))


def _fitting(config: Config, path: Path) -> tuple[Config, str, dict[str, Tensor]]:
    """The settings, the name and the weights of a model whose encoders are those of the config."""
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
    return theirs, name, weights


def _said(name: str, drawn: Collection[str], left: Collection[str]) -> str:
    told = [f"begins with the weights of {name}"]
    told += [f"{_parts(drawn)} begin anew, whole or in part"] if drawn else []
    told += [f"{_parts(left)} of that model are left behind"] if left else []
    return "; ".join(told)


def _parts(keys: Iterable[str]) -> str:
    """The parts of the network that weights belong to; of a side, which of its parts."""
    places = (key.split(".") for key in keys)
    return ", ".join(sorted({" ".join(place[: 2 if place[0] in ("front", "back") else 1]) for place in places}))


def _of_unknown(config: Config, path: Path) -> Iterator[str]:
    """What keeps a card that the model knows from being known again."""
    if config.pretrained == "starter":
        return
    learned = learned_by(path)
    if learned.unknown:
        yield (
            f"whether {learned.unknown} has learned from cards that judge this run is not known, as no run lies beside "
            "it; if so, this run's figures flatter it"
        )
    gone = [pair for pair in learned.cards if not any(side and side.is_file() for side in (pair.front, pair.back))]
    if gone:
        yield (
            f"the pictures of {len(gone)} cards that the model has learned from are gone: whether these cards judge "
            "this run is not known; if so, its figures flatter it"
        )
