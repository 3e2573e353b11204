"""Finds addresses of a configuration that are still the example its template was written with."""

from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

from perunika_host.config import ConfigError, Problem

PLACEHOLDER = "is the example of the template and belongs to nobody"


def example_addresses(config: Any, prefix: str = "") -> list[Problem]:
    """Return a problem for each address in ``config`` (see perunika_host.config) that nobody has filled in."""
    problems = []
    for known in fields(config):
        key, value = prefix + known.name, getattr(config, known.name)
        if "section" in known.metadata:
            problems += example_addresses(value, key + ".")
        elif "sections" in known.metadata:
            for index, entry in enumerate(value):
                problems += example_addresses(entry, f"{key}[{index}].")
        elif isinstance(value, bytes) and value == _example(known.metadata):
            hint = f"fill in: {known.metadata['comment']}"
            problems.append(Problem(key, None, f"0x{value.hex()} {PLACEHOLDER}", hint))
    return problems


def _example(metadata: Any) -> object:
    example = metadata["example"]
    return None if example is None else metadata["kind"].read(example, Path())


def refuse_examples(config: Any, path: str | PathLike[str]) -> None:
    """Raise ConfigError that names every address still to be filled in."""
    problems = example_addresses(config)
    if problems:
        raise ConfigError(str(path), problems)
