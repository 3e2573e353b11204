"""docs/spec.md is up to date: its tables are made of the code, its links and names exist."""

import re

import pytest

from perunika.messages import TABLE
from tests.protocol import make_spec

TEXT = make_spec.SPEC.read_text()


def test_the_generated_parts_are_up_to_date():
    assert make_spec.make_text(TEXT) == TEXT


def test_every_message_says_who_signs_it_or_why_nobody_does():
    assert list(make_spec.MESSAGES) == [text.split(" ")[0] for text in TABLE]


def test_every_error_code_of_the_core_is_listed_with_what_to_do():
    codes = make_spec.raised()
    assert len(codes) > 80
    for code, (faults, _, _) in codes.items():
        assert re.fullmatch(r"[a-z]+([.-][a-z_]+)?", code), code
        assert len(code) <= 40
        assert faults
        assert f"| `{code}` |" in TEXT


def test_no_advice_is_left_over():
    areas = {code.split(".")[0] for code in make_spec.raised()} | set(make_spec.raised())
    assert set(make_spec.ADVICE) - areas == set()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:[\w/]+/)?[\w]+\.(?:py|sol|t\.sol|md))`", TEXT))))
def test_every_file_that_is_named_exists(name):
    folders = ("", "protocol/perunika", "tests/protocol", "contracts/src/parts", "contracts/test")
    assert any((make_spec.ROOT / folder / name).exists() for folder in folders), name


def test_every_module_that_is_named_exists():
    table = TEXT.split("## Paper, module, test")[1].split("After a dispute")[0]
    for row in table.splitlines()[6:]:
        for name in re.findall(r"`(\w+)`", row.split("|")[3] if row.count("|") > 3 else ""):
            assert (make_spec.CORE / f"{name}.py").exists() or name in ("put_version", "VirtualParams"), name


def test_every_rule_is_stated():
    assert list(make_spec.RULES) == [f"R{number}" for number in range(1, 21)]
