"""Board programs run on real MicroPython with a board's heap, and on CPython where there is none."""

import platform
import sys
from pathlib import Path

import pytest

from perunika_cli.stack.micropython import Interpreter, board_process, find_interpreter

PROGRAM = """
import asyncio, sys
import perunika.errors
import perunika_device


async def main():
    await asyncio.sleep(0)
    print("runs on", sys.implementation.name, sys.argv[1:])


asyncio.run(main())
"""
CPYTHON = Interpreter("cpython", Path(sys.executable))


def write(tmp_path: Path, program: str) -> Path:
    script = tmp_path / "main.py"
    script.write_text(program)
    return script


def test_micropython_is_used_wherever_pypi_has_it() -> None:
    expected = "micropython" if platform.machine() == "x86_64" else "cpython"
    found = find_interpreter()
    assert found.runtime == expected
    assert ("devices run on MicroPython" in found.describe()) == (expected == "micropython")


@pytest.mark.parametrize("interpreter", [find_interpreter(), CPYTHON], ids=lambda chosen: chosen.runtime)
def test_a_board_program_finds_the_core_and_the_device_package(tmp_path: Path, interpreter: Interpreter) -> None:
    process = board_process("board", write(tmp_path, PROGRAM), ["a", "b"], tmp_path / "log", interpreter=interpreter)
    process.start()
    assert process.wait_for_line(r"runs on (\w+) (.*)", 10).groups() == (interpreter.runtime, "['a', 'b']")
    assert process.wait(5) == 0


def test_micropython_has_no_more_memory_than_was_given(tmp_path: Path) -> None:
    script = write(tmp_path, "b = []\nwhile True:\n    b.append(bytearray(1000))\n    print(len(b), 'kB')\n")
    process = board_process("board", script, [], tmp_path / "log", heap_bytes=64 * 1024)
    process.start()
    process.wait_for_line("MemoryError", 10)
    assert 20 < process.output().count("kB") < 64
