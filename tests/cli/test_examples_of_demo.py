"""The examples of `perunika demo --help`, as written; what they show is tested in tests/demo."""

import json

import pytest

from perunika_cli.main import load_command
from tests.cli.shell import Shell

LINES = [example.line for example in load_command("demo").examples]


@pytest.mark.parametrize("line", LINES)
def test_example_of_the_demo_works_as_written(tmp_path_factory: pytest.TempPathFactory, line: str) -> None:
    said = Shell(tmp_path_factory.mktemp("demo")).good(line, timeout_s=240)
    if "--json" in line:
        assert json.loads(said.splitlines()[-1])["books_match_chain"] is True
    else:
        assert "chain" in said
