"""Options of a training, as a config file has them."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ...search_space.errors import InputError, check_name
from ..data.augment import AUGMENTS
from .loss import LOSSES
from .schedule import SCHEDULES


def one_of(known: Iterable[str]) -> AfterValidator:
    """Validator of a pydantic field that takes a name out of those known."""
    return AfterValidator(lambda name: check_name(name, known))


def refuse_together(options: BaseModel, given: str, meaningless: Iterable[str]) -> None:
    """Raise :class:`InputError` if the user has set an option that is ``meaningless`` in the case that ``given`` names."""
    for name in meaningless:
        if name in options.model_fields_set:
            raise InputError(f"{name} means nothing {given}")


class TrainOptions(BaseModel):
    """How a network is trained.

    ``val_fraction`` of the *training* data is held out: it picks the best epoch when a fixed network is trained, and trains the
    architecture parameters in a search. The test set is never part of a training. ``precision`` is Lightning's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Annotated[int, Field(ge=1)] = 30
    batch_size: Annotated[int, Field(ge=2)] = 32
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    loss: Annotated[str, one_of(LOSSES)] = "l1"
    schedule: Annotated[str, one_of(SCHEDULES)] = "one_cycle"
    augment: Annotated[str, one_of(AUGMENTS)] = "full"
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"


INHERITED_RATE = 5e-3
"""Default learning rate of a network that starts with a supernet's weights."""


class FinetuneOptions(TrainOptions):
    """How a fixed network is trained. ``experiments/studies/accuracy`` measures what rate, loss and the rest are worth.

    Unless ``learning_rate`` is set, a network that starts with a supernet's weights learns at :data:`INHERITED_RATE`.
    With ``teacher``, the path of a checkpoint, ``distillation`` of the loss is the distance to that network's points.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 2e-2
    loss: Annotated[str, one_of(LOSSES)] = "smooth_l1"
    teacher: str | None = None
    distillation: Annotated[float, Field(gt=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _no_contradiction(self) -> "FinetuneOptions":
        if self.teacher is None:
            refuse_together(self, "without a teacher", ["distillation"])
        return self

    def inheriting(self) -> "FinetuneOptions":
        """Return the options for a network that starts with a supernet's weights."""
        return self if "learning_rate" in self.model_fields_set else self.model_copy(update={"learning_rate": INHERITED_RATE})
