"""A part of a file of settings: strict about its keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from icemap.errors import IcemapError
from icemap.settings_text import problems


class Section(BaseModel):
    """A part of the config: immutable, and strict about its keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_numbers(cls, content: Any) -> Any:
        # It would be read as 1 or 0.
        for name, value in content.items() if isinstance(content, dict) else ():
            field = cls.model_fields.get(str(name))
            if (
                isinstance(value, bool)
                and field is not None
                and not any(
                    kind is bool or isinstance(kind, bool) for kind in _kinds(field.annotation)
                )
            ):
                raise ValueError(
                    f"'{name}' is {str(value).lower()}: give a value that is not true or false, or"
                    " quote it"
                )
        return content


Settings = TypeVar("Settings", bound=Section)


def settings_from(model: type[Settings], content: Mapping[str, Any], where: str) -> Settings:
    """Settings that come from no file, checked as those of a config are.

    Raises
    ------
    IcemapError
        Beginning with ``where``, with every wrong key.
    """
    try:
        return model.model_validate(dict(content))
    except ValidationError as error:
        raise IcemapError(f"{where}: {'; '.join(problems(error, model))}.") from error


def _kinds(annotation: Any) -> list[Any]:
    return [annotation, *(kind for part in get_args(annotation) for kind in _kinds(part))]
