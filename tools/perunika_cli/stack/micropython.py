"""Programs of a board, run on the real MicroPython of this machine with a board's amount of memory."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from perunika.errors import LocalError
from perunika_cli.stack.board_rom import board_modules, rom_command, rom_image, runs_in_place
from perunika_cli.stack.process import Process

BOARD_HEAP_BYTES = 160 * 1024
BOARD_PACKAGES = ("perunika", "perunika_device")
Runtime = Literal["micropython", "cpython"]


class Interpreter(NamedTuple):
    """What runs a board's programs here; ``runtime`` is ``"cpython"`` where MicroPython has no wheel."""

    runtime: Runtime
    path: Path

    def describe(self) -> str:
        """One sentence for people."""
        if self.runtime == "micropython":
            return f"devices run on MicroPython ({self.path})"
        return "devices run on CPython: there is no MicroPython for this platform on PyPI"


def find_interpreter() -> Interpreter:
    """Return MicroPython next to our own Python or on PATH, else our own Python."""
    beside = shutil.which("micropython", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("micropython")
    return Interpreter("micropython", Path(found)) if found else Interpreter("cpython", Path(sys.executable))


def source_roots() -> list[Path]:
    """Return the directories that hold the packages a board needs, in the order in which to search them."""
    roots: list[Path] = []
    for package in BOARD_PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise LocalError("stack.no-package", f"the package {package} is not installed", "run `make install`")
        root = Path(next(iter(spec.submodule_search_locations))).resolve().parent
        if root not in roots:
            roots.append(root)
    return roots


def board_process(
    name: str,
    script: Path,
    arguments: Sequence[str | Path],
    log_path: Path,
    *,
    heap_bytes: int = BOARD_HEAP_BYTES,
    environment: Mapping[str, str] | None = None,
    interpreter: Interpreter | None = None,
) -> Process:
    """Return the (not yet started) process that runs ``script`` as a board would.

    On MicroPython the heap is ``heap_bytes`` and only ``source_roots`` and the built-in modules can be imported. The
    board's own packages run as on a chip, out of read-only memory (``board_rom``).
    """
    chosen = interpreter or find_interpreter()
    roots = [str(root) for root in source_roots()]
    if chosen.runtime == "micropython" and runs_in_place():
        image = rom_image(board_modules(source_roots(), BOARD_PACKAGES))
        command = rom_command(image, heap_bytes, _program(script))
        return Process(name, [*command, *map(str, arguments)], log_path, environment=environment)
    if chosen.runtime == "micropython":
        options = ["-X", f"heapsize={heap_bytes}"]
        # Setting the variable replaces the default path, of which ".frozen" holds asyncio.
        path_variable = {"MICROPYPATH": ":".join([*roots, ".frozen"])}
    else:
        options = ["-u"]
        path_variable = {"PYTHONPATH": os.pathsep.join(roots)}
    return Process(
        name,
        [chosen.path, *options, script, *arguments],
        log_path,
        environment={**path_variable, **(environment or {})},
    )


def _program(script: Path) -> str:
    """Return how read-only memory knows ``script``: as a module if it belongs to a board's package, else as a file."""
    for root in source_roots():
        if script.resolve().is_relative_to(root):
            return ".".join(script.resolve().relative_to(root).with_suffix("").parts)
    return str(script)
