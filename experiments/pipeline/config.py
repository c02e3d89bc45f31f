"""The YAML config: all settings except data sets, outputs, devices and random seeds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...evaluators import FaceData, FinetuneOptions, TrainOptions, layout_of, refuse_together
from ...evaluators.training.loss import LOSSES
from ...evaluators.training.training_options import one_of
from ...latency import LookupTable
from ...search_space import InputError, SpaceSpec
from ...search_space.files import read_yaml
from ...search_space.validation import first_error
from ...strategies import SHARES, STAGES, CostTable, FBNet, StagedFBNet, Stages, split

Positive = Annotated[float, Field(gt=0)]
Epochs = Annotated[int, Field(ge=0)]

CONTINUED: Mapping[str, int] = {"teacher": 0, "distillation": 0, "sandwich": 18, "logits": 2}
"""Default epochs of a search that starts from a trained supernet; other totals are split in the same proportion."""

WARMUP = 4
"""One epoch in this many is warm-up, unless ``warmup_epochs`` is set."""

# keys whose values may be paths, with the suffixes that mark a path (empty: always a path)
_PATHS: Mapping[str, tuple[str, ...]] = {"space": (".yaml", ".yml", ".json"), "lut": (".csv",), "finetune.teacher": ()}


class StageOptions(BaseModel):
    """Stage lengths of a search in epochs, and maximum learning rates of the weights; see ``strategies.StagedFBNet``.

    If a length is set, the other lengths keep their defaults, and ``search.epochs`` is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher: Epochs = SHARES["teacher"]
    distillation: Epochs = SHARES["distillation"]
    sandwich: Epochs = SHARES["sandwich"]
    logits: Epochs = SHARES["logits"]
    teacher_rate: Positive = Stages.teacher_rate
    distillation_rate: Positive = Stages.distillation_rate
    sandwich_rate: Positive = Stages.sandwich_rate

    @property
    def lengths_set(self) -> bool:
        """Whether the user has set the length of a stage."""
        return not self.model_fields_set.isdisjoint(STAGES)


class SearchOptions(TrainOptions):
    """Settings of a supernet search: its training, and the options of ``strategies.StagedFBNet`` or ``strategies.FBNet``.

    ``method: stages`` trains the supernet in stages, which share ``epochs`` unless ``stages`` sets their lengths;
    ``reference`` trains a mixture from scratch, like the reference. ``val_fraction`` is the fraction of the training data on
    which the architecture parameters learn. ``target_us`` is a latency target in microseconds, which replaces ``mode``,
    ``alpha`` and ``beta``. Without ``warmup_epochs``, ``reference`` trains only the weights in a quarter of the epochs.
    ``front`` is the number of subnets that are scored for the front at the end. Some defaults differ from the reference's: a
    search of tens of epochs needs faster logits and a faster falling temperature, and the weight decay of the logits, an L2
    term in Adam's gradient, would outweigh the gradient of a loss of a few hundredths.
    """

    method: Literal["stages", "reference"] = "stages"
    epochs: Annotated[int, Field(ge=1)] = sum(SHARES.values())
    loss: Annotated[str, one_of(LOSSES)] = "smooth_l1"
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.15
    mode: Literal["mul", "add"] = "mul"
    alpha: Annotated[float, Field(ge=0)] = 0.25
    beta: Annotated[float, Field(ge=0)] = 0.8
    target_us: Positive | None = None
    stages: StageOptions = StageOptions()
    paths: Annotated[int, Field(ge=0)] = 2
    branches: Annotated[int, Field(ge=1)] = 3
    temperature: Positive = 5.0
    anneal: Annotated[float, Field(gt=0, le=1)] | None = None
    warmup_epochs: Epochs | None = None
    arc_learning_rate: Positive = 0.03
    arc_weight_decay: Annotated[float, Field(ge=0)] = 0.0
    front: Annotated[int, Field(ge=0)] = 2000

    @model_validator(mode="after")
    def _no_contradiction(self) -> "SearchOptions":
        if self.target_us is not None:
            refuse_together(self, "together with target_us", ("mode", "alpha", "beta"))
        meaningless = {"stages": ("learning_rate", "schedule", "warmup_epochs"), "reference": ("stages", "paths", "branches")}
        refuse_together(self, f"with method: {self.method}", meaningless[self.method])
        if self.stages.lengths_set:
            refuse_together(self, "together with the length of a stage", ["epochs"])
        if self.method == "stages" and LOSSES[self.loss].needs_pose:
            raise InputError(f"loss: {self.loss} is for method: reference; the stages train no pose branch")
        if self.total_epochs < 1:
            raise InputError("all stages have 0 epochs; set the length of at least one stage")
        if self.warmup_epochs is not None and self.warmup_epochs >= self.epochs:
            raise InputError(
                f"warmup_epochs is {self.warmup_epochs} of {self.epochs} epochs; leave some to train the architecture"
            )
        return self

    @property
    def lengths(self) -> dict[str, int]:
        """Stage -> epochs."""
        if self.stages.lengths_set:
            return {name: getattr(self.stages, name) for name in STAGES}
        return split(self.epochs)

    def logits_only(self) -> "SearchOptions":
        """Return options for a trained supernet: all ``epochs``, or else those of the last stage, train the logits."""
        if self.method == "reference":
            raise InputError("--supernet is for method: stages; the reference trains weights and logits together")
        data = self.model_dump(exclude_unset=True)
        epochs = data.pop("epochs", self.lengths["logits"])
        data["stages"] = {**data.get("stages", {}), **dict.fromkeys(STAGES, 0), "logits": epochs}
        return SearchOptions.model_validate(data)

    def continuing(self) -> "SearchOptions":
        """Return options for a start from a trained supernet's weights: :data:`CONTINUED` with the lengths in ``stages``."""
        if self.method == "reference":
            raise InputError("--init is for method: stages; the reference's supernet trains weights and logits together")
        data = self.model_dump(exclude_unset=True)
        total = sum(CONTINUED.values())
        epochs = data.pop("epochs", total)
        # sandwich first: new weights, such as the last layer's, learn in it
        logits = min(epochs - 1, max(1, round(epochs * CONTINUED["logits"] / total)))
        data["stages"] = {**CONTINUED, "sandwich": epochs - logits, "logits": logits, **data.get("stages", {})}
        return SearchOptions.model_validate(data)

    def record(self) -> dict[str, Any]:
        """Return the settings as plain data for a run record, where every length is named ``epochs``, which may grow."""
        data = self.model_dump(mode="json")
        if self.method == "stages":
            data["epochs"] = self.total_epochs
            data["stages"] |= {name: {"epochs": epochs} for name, epochs in self.lengths.items()}
        return data

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole search."""
        return sum(self.lengths.values()) if self.method == "stages" else self.epochs

    def strategy(self, cost: CostTable) -> FBNet:
        """Return the one-shot strategy with these options."""
        shared: dict[str, Any] = {
            "temperature": self.temperature,
            "arc_learning_rate": self.arc_learning_rate,
            "arc_weight_decay": self.arc_weight_decay,
            "target_us": self.target_us,
            "mode": self.mode,
            "alpha": self.alpha,
            "beta": self.beta,
        }
        if self.method == "reference":
            warmup = self.epochs // WARMUP if self.warmup_epochs is None else self.warmup_epochs
            return FBNet(cost, anneal=self.anneal or 0.9, warmup_epochs=warmup, **shared)
        rates = {name: value for name, value in self.stages.model_dump().items() if name not in STAGES}
        return StagedFBNet(
            cost,
            stages=Stages(**self.lengths, **rates),
            paths=self.paths,
            branches=self.branches,
            anneal=self.anneal or 0.5,
            **shared,
        )


class DeployOptions(BaseModel):
    """Engine, such as ``mnn``, and precision that the network will run with. Latency tables for others are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: str | None = None
    precision: Literal["fp32", "int8"] | None = None

    def check(self, table: LookupTable) -> None:
        """Raise :class:`InputError` if the table is for another engine or precision."""
        of = {"engine": table.engine.split()[0].lower(), "precision": table.precision}
        for key, known in of.items():
            wanted = getattr(self, key)
            if wanted is not None and wanted.lower() != known:
                raise InputError(
                    f"latency table {table.name} is for {key} {known}, but deploy.{key} is {wanted}; "
                    f"give a table for {wanted} with --lut, or remove deploy.{key}"
                )


class Config(BaseModel):
    """All settings of a search and the steps after it, with their defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: str = "pfld"
    points: Annotated[int, Field(ge=1)] = 106
    input_size: Annotated[int, Field(ge=1)] = 112
    eye_corners: tuple[int, int] | None = None
    lut: str = "snapdragon625-4t"
    deploy: DeployOptions = DeployOptions()
    search: SearchOptions = SearchOptions()
    finetune: FinetuneOptions = FinetuneOptions()

    @classmethod
    def load(cls, path: str | Path | None, **overrides: Any) -> "Config":
        """Read a YAML file, or use the defaults; apply ``overrides`` that are not None (``search__epochs`` for nested keys).

        Paths in the file are relative to its folder.

        Raises
        ------
        InputError
            If a key is unknown or wrong; the message names the file, the key and the allowed values.
        """
        if path is None:
            return cls._checked({}, "command line").override(overrides, "command line")
        data = read_yaml(path, "config")
        if data is None:
            raise InputError(f"{path}: contains no settings; write key: value lines, or omit --config")
        if not isinstance(data, dict):
            raise InputError(f"{path}: not a mapping; write key: value lines")
        for key, suffixes in _PATHS.items():
            _place(data, key.split("."), suffixes, Path(path).parent)
        return cls._checked(data, str(path)).override(overrides, "command line")

    def override(self, values: Mapping[str, Any], where: str) -> "Config":
        """Return a copy with the ``values`` that are not None (``search__epochs`` for nested keys).

        Raises
        ------
        InputError
            If a key is unknown or wrong; the message names ``where`` the values are from, the key and the allowed values.
        """
        data = self.model_dump(exclude_unset=True)
        for name, value in values.items():
            *parents, key = name.split("__")
            if value is None:
                continue
            target = data
            for parent in parents:
                if not isinstance(getattr(self, parent, self), BaseModel):
                    raise InputError(f"{where}: {parent!r} has no keys, but {name.replace('__', '.')!r} is given")
                target = target.setdefault(parent, {})
            target[key] = value
        return self._checked(data, where)

    @classmethod
    def _checked(cls, data: dict[str, Any], where: str) -> "Config":
        try:
            config = cls.model_validate(data)
        except ValidationError as error:
            raise InputError(f"{where}: {first_error(error, cls)}") from None
        # names and files must exist before any image is decoded
        checks = {
            "space": lambda: SpaceSpec.load(config.space),
            "lut": lambda: LookupTable.load(config.lut),
            "deploy": lambda: config.deploy.check(LookupTable.load(config.lut)),
            "points": lambda: layout_of(config.points, config.eye_corners),
            "eye_corners": lambda: layout_of(config.points, config.eye_corners),
        }
        for key, check in checks.items():
            try:
                if config.given(key):
                    check()
            except InputError as error:
                raise InputError(f"{where}: {key}: {str(error).removeprefix(f'{key}: ')}") from None
        if config.given("space") and not config.given("input_size"):
            # the space's own size is a default, not a setting of the user
            values = {**dict(config), "input_size": SpaceSpec.load(config.space).side}
            config = cls.model_construct(config.model_fields_set, **values)
        return config

    def faces(self, data_root: str | Path) -> FaceData:
        """Return a data set with these points and this input size; no image is decoded yet."""
        return FaceData(Path(data_root), self.points, self.input_size)

    def given(self, key: str) -> bool:
        """Whether the user has set ``key``, in the file or on the command line."""
        return key in self.model_fields_set


def _place(data: dict[str, Any], keys: list[str], suffixes: tuple[str, ...], folder: Path) -> None:
    """Prefix the path at ``keys`` of nested data with ``folder``, in place, if its suffix marks it as a path."""
    inner: Any = data
    for parent in keys[:-1]:
        inner = inner.get(parent)
        if not isinstance(inner, dict):
            return
    value = inner.get(keys[-1])
    if isinstance(value, str) and (not suffixes or Path(value).suffix in suffixes):
        inner[keys[-1]] = str(folder / value)
