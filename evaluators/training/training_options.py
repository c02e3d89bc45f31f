"""Options of a training, as in a config file."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ...search_space.errors import InputError, check_name
from ..data.augment import AUGMENTS
from .loss import LOSSES
from .schedule import SCHEDULES


def one_of(known: Iterable[str]) -> AfterValidator:
    """Return a pydantic validator that accepts only the known names."""
    return AfterValidator(lambda name: check_name(name, known))


def refuse_together(options: BaseModel, given: str, meaningless: Iterable[str]) -> None:
    """Raise :class:`InputError` if the user has set an option without effect.

    Parameters
    ----------
    options
        Options of a config file.
    given
        The case, as the end of the message, such as ``without a teacher``.
    meaningless
        Names of options that have no effect in this case.
    """
    for name in meaningless:
        if name in options.model_fields_set:
            raise InputError(f"{name} has no effect {given}")


class TrainOptions(BaseModel):
    """Options for training a network. The test set is never used in training.

    Parameters
    ----------
    epochs, batch_size
        Length of the training, and faces per step.
    learning_rate, schedule
        Peak learning rate, and name of its schedule.
    weight_decay
        Weight decay of AdamW.
    loss, augment
        Name of the loss, and of the augmentation of training batches.
    val_fraction
        Held-out share of the *training* data: it selects the best epoch of a fixed network, and trains the architecture
        parameters in a search.
    precision
        Precision of Lightning's trainer.
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
"""Default learning rate of a network that inherits a supernet's weights."""


class FinetuneOptions(TrainOptions):
    """Options for training a fixed network. ``experiments/studies/accuracy`` measures the effect of each option.

    A network that inherits a supernet's weights has the learning rate :data:`INHERITED_RATE`, unless ``learning_rate`` is set.

    Parameters
    ----------
    learning_rate, loss
        As for :class:`TrainOptions`, with other defaults.
    teacher
        Path of a checkpoint whose points the network also learns.
    distillation
        Share of the loss that is the distance to the teacher's points.
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
        """Return the options for a network that inherits a supernet's weights."""
        return self if "learning_rate" in self.model_fields_set else self.model_copy(update={"learning_rate": INHERITED_RATE})
