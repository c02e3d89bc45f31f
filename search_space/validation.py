"""Turn pydantic's validation errors into one-line messages."""

from pydantic import BaseModel, ValidationError

from .errors import allowed


def first_error(error: ValidationError, model: type[BaseModel]) -> str:
    """Format the first validation error as one line: key, problem, and allowed values."""
    detail = error.errors()[0]
    key = ".".join(str(part) for part in detail["loc"]) or "top level"
    if detail["type"] == "extra_forbidden":
        return f"unknown key {key!r}; {allowed(_keys_at(model, detail['loc'][:-1]))}"
    if detail["type"] == "missing":
        return f"key {key!r} is missing"
    if detail["type"] == "value_error":  # raised by one of our own validators
        return f"{key}: {detail['ctx']['error']}"
    return f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _keys_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the model nested at ``path`` in ``model``."""
    for part in path:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            nested = [annotation, *getattr(annotation, "__args__", ())]
            model = next((a for a in nested if isinstance(a, type) and issubclass(a, BaseModel)), model)
    return list(model.model_fields)
