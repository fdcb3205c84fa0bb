"""What `help()` shows of a settings class: one line for each setting."""

from __future__ import annotations

import inspect

from pydantic import BaseModel


def add_help(settings: type[BaseModel]) -> None:
    """Add the settings to the docstring, and drop the long annotations from the signature."""
    about = inspect.cleandoc(settings.__dict__.get("__doc__") or "")
    settings.__doc__ = "\n".join([about, "", "Args:", *_lines(settings)])
    signature = inspect.signature(settings)
    plain = [one.replace(annotation=one.empty) for one in signature.parameters.values()]
    settings.__signature__ = inspect.Signature(plain)


def _lines(settings: type[BaseModel]) -> list[str]:
    return [
        f"    {name}: {' '.join((field.description or '').split())} [{field.get_default()!r}]"
        for name, field in settings.model_fields.items()
        if field.description
    ]
