"""The YAML config: everything that is not a path, a device or a seed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..evaluators import LAST, FinetuneOptions, TrainOptions
from ..search_space import InputError
from ..search_space.inputs import read_yaml, write_text
from ..search_space.spec import first_error

Positive = Annotated[float, Field(gt=0)]


class SearchOptions(TrainOptions):
    """How a supernet is searched: its training, and the options of ``strategies.FBNet``.

    ``val_fraction`` is the part of the training data on which the architecture parameters learn. ``target_us`` is a latency
    target in microseconds, in place of ``mode``, ``alpha`` and ``beta``. ``paths: one`` runs one block per layer at a time
    instead of all. Defaults that differ from the strategy's (the reference's): a search of tens of epochs needs faster
    logits and a temperature that falls faster, and the weight decay of the logits, an L2 term in Adam's gradient, would
    outweigh the gradient of a loss of a few hundredths.
    """

    epochs: Annotated[int, Field(ge=1)] = 20
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.3
    mode: Literal["mul", "add"] = "mul"
    alpha: Annotated[float, Field(ge=0)] = 0.25
    beta: Annotated[float, Field(ge=0)] = 0.8
    target_us: Positive | None = None
    paths: Literal["all", "one"] = "all"
    temperature: Positive = 5.0
    anneal: Annotated[float, Field(gt=0, le=1)] = 0.9
    warmup_epochs: Annotated[int, Field(ge=0)] = 5
    arc_learning_rate: Positive = 0.03
    arc_weight_decay: Annotated[float, Field(ge=0)] = 0.0

    def strategy_options(self) -> dict[str, Any]:
        """Keyword arguments of ``strategies.FBNet``."""
        return {name: getattr(self, name) for name in SearchOptions.model_fields.keys() - TrainOptions.model_fields.keys()}


class Config(BaseModel):
    """All settings of a search and what follows it, with their defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: str = "pfld"
    points: Annotated[int, Field(ge=1)] = 106
    input_size: Annotated[int, Field(ge=1)] = 112
    eye_corners: tuple[int, int] | None = None
    lut: str = "snapdragon625-4t"
    search: SearchOptions = SearchOptions()
    finetune: FinetuneOptions = FinetuneOptions()

    @classmethod
    def load(cls, path: str | Path | None, **overrides: Any) -> "Config":
        """Read a YAML file, or take the defaults; ``overrides`` that are not None win (``search__epochs`` for nested keys).

        Raises
        ------
        InputError
            Naming the file and the key that is unknown or wrong, and what is allowed.
        """
        data = {} if path is None else read_yaml(path, "config")
        where = "command line" if path is None else str(path)
        if data is not None and not isinstance(data, dict):
            raise InputError(f"{where}: not a mapping; allowed: key: value lines")
        return cls._checked(data or {}, where).override(overrides, "command line")

    def override(self, values: Mapping[str, Any], where: str) -> "Config":
        """The same with other ``values`` (``search__epochs`` for nested keys), those that are not None.

        Raises
        ------
        InputError
            Naming the key that is unknown or wrong, and what is allowed; ``where`` says in it who gave the values.
        """
        data = self.model_dump()
        for name, value in values.items():
            *parents, key = name.split("__")
            target = data
            for parent in parents:
                target = target.setdefault(parent, {})
                if not isinstance(target, dict):
                    raise InputError(f"{where}: {parent!r} has no keys, but {name.replace('__', '.')!r} is given")
            if value is not None:
                target[key] = value
        return self._checked(data, where)

    @classmethod
    def _checked(cls, data: dict[str, Any], where: str) -> "Config":
        try:
            config = cls.model_validate(data)
        except ValidationError as error:
            raise InputError(f"{where}: {first_error(error, cls)}") from None
        if config.search.warmup_epochs >= config.search.epochs:
            raise InputError(f"{where}: search.warmup_epochs is {config.search.warmup_epochs}; "
                             f"allowed: fewer than search.epochs, {config.search.epochs}")
        return config


def check_resume(record: Path, what: str | dict[str, Any], settings: BaseModel, seed: int, resume: str | None) -> None:
    """Write what a run trains, and how, beside its checkpoints; a resumed run must be the one that was started.

    The last epoch of another run is removed, so that nothing goes on from it.

    Raises
    ------
    InputError
        If network, seed or a setting differs.
    """
    text = json.dumps({"what": what, "seed": seed, "settings": settings.model_dump(mode="json")}) + "\n"
    if resume is not None and record.is_file() and record.read_text(encoding="utf-8") != text:
        raise InputError(f"{record}: the run to resume had another network, other settings or another seed; allowed: the same")
    write_text(record, text)
    if resume is None:
        (record.parent / LAST).unlink(missing_ok=True)
