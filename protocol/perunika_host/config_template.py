"""Writes a configuration file that explains itself: every key with comment, default or example."""

from dataclasses import MISSING, Field, fields
from textwrap import wrap
from typing import Any

COMMENT_WIDTH = 100
# Stands where people must fill something in; no kind accepts it.
EMPTY = '""'


def write_template(cls: type, prefix: str = "") -> str:
    """Return commented TOML for a configuration dataclass (see perunika_host.config).

    Keys with a default are commented out and show it; required keys stand ready to be filled, with their example.
    """
    plain = [known for known in fields(cls) if "kind" in known.metadata]
    blocks = ["\n".join(_setting_lines(known)) for known in plain]
    for known in fields(cls):
        name = prefix + known.name
        comment = "\n".join(_comment(known.metadata["comment"]))
        if "section" in known.metadata:
            blocks.append(f"{comment}\n[{name}]\n\n".lstrip() + write_template(known.metadata["section"], name + "."))
        elif "sections" in known.metadata:
            body = write_template(known.metadata["sections"], name + ".")
            commented = "\n".join(
                line if line.startswith("#") or not line else "# " + line for line in body.split("\n")
            )
            blocks.append(f"{comment}\n# [[{name}]]\n\n".lstrip() + commented)
    return "\n\n".join(block.strip("\n") for block in blocks if block.strip()) + "\n"


def _comment(text: str) -> list[str]:
    return ["# " + line for line in wrap(text, COMMENT_WIDTH)]


def _setting_lines(known: Field[Any]) -> list[str]:
    kind, example = known.metadata["kind"], known.metadata["example"]
    lines = [*_comment(known.metadata["comment"]), *_comment("Expected: " + kind.expected + ".")]
    if known.default is MISSING:
        lines.append(f"{known.name} = {kind.write(example) if example is not None else EMPTY}")
    elif known.default is None:
        lines.append(f"# {known.name} = {kind.write(example) if example is not None else EMPTY}")
    else:
        lines.append(f"# {known.name} = {kind.write(known.default)}")
    return lines
