"""What is wrong in a user's data, as one line, from what pydantic says."""

from pydantic import BaseModel, ValidationError

from .errors import allowed


def first_error(error: ValidationError, model: type[BaseModel]) -> str:
    """One line for the first thing that is wrong in a user's data: key, problem, and what is allowed."""
    detail = error.errors()[0]
    key = ".".join(str(part) for part in detail["loc"]) or "top level"
    if detail["type"] == "extra_forbidden":
        return f"unknown key {key!r}; {allowed(_keys_at(model, detail['loc'][:-1]))}"
    if detail["type"] == "missing":
        return f"key {key!r} is missing"
    if detail["type"] == "value_error":  # a check of our own
        return f"{key}: {detail['ctx']['error']}"
    return f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _keys_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the nested model at ``path`` of ``model``."""
    for part in path:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            nested = [annotation, *getattr(annotation, "__args__", ())]
            model = next((a for a in nested if isinstance(a, type) and issubclass(a, BaseModel)), model)
    return list(model.model_fields)
