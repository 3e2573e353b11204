"""Linked modules do what the modules did: by small examples, and by what a real MicroPython says of their size."""

import json
import sys
import types
from pathlib import Path

import pytest

from perunika.crypto import PrivateKey
from perunika.eip712 import Domain
from perunika.structs import Voucher
from perunika_cli.stack.board_link import Linker
from perunika_cli.stack.board_rom import pack_romfs
from perunika_cli.stack.micropython import board_process, find_interpreter

BASE = '''
"""Words."""
import sys
LIMIT = 3
_count = 0
_known = {}

def _load(name):
    """Private, like its namesake elsewhere."""
    return "base " + name

def share(word, times=1):
    global _count
    _count += times
    return _load(word)

def counted() -> int:
    return _count

def nobody_calls_this():
    return LIMIT
'''
USER = """
from pkg import base as words
from pkg.base import LIMIT, counted, share as give
from pkg.low import Error

__all__ = ["Thing", "work"]
LIMITS = [limit * LIMIT for limit in range(LIMIT)]
_known = "mine"

def _load(name):
    return "user " + name

class Thing:
    __slots__ = ("value",)
    LIMIT = 7
    TABLE = {"load": lambda name: _load(name)}

    def __init__(self, value: int) -> None:
        self.value = value

    def __repr__(self):
        return "a thing"

    def total(self, more, *rest, scale=1):
        def add(first):
            return first + more + sum(rest)
        return add(self.value) * scale

def work(items, share):
    found = [give for give in items]
    try:
        raise Error("something that is long enough to be a sentence")
    except Error as error:
        text = str(error)
    thing = Thing(share)
    return [found, text, words.share("x", times=2), counted(), give("y"), _load("z"), _known, LIMIT, Thing.LIMIT,
            thing.total(1, 2, 3, scale=2), Thing.TABLE["load"]("t"), LIMITS, (lambda share: share + LIMIT)(1)]
"""
LOW = "class Error(Exception):\n    pass\n"
SOURCES = {"pkg.base": BASE, "pkg.user": USER, "pkg.low": LOW}


ORDER = ("pkg.low", "pkg.base", "pkg.user")


def run(sources: dict[str, str], order: tuple[str, ...]) -> object:
    """Execute ``sources`` in ``order`` as modules and return what ``pkg.user.work`` says."""
    package = types.ModuleType("pkg")
    package.__path__ = []
    sys.modules["pkg"] = package
    try:
        for name in order:
            sys.modules[name] = types.ModuleType(name)
            setattr(package, name.removeprefix("pkg."), sys.modules[name])
            exec(compile(sources[name], name, "exec"), vars(sys.modules[name]))  # noqa: S102  our own example
        return sys.modules["pkg.user"].work([1, 2], 5)
    finally:
        for name in ("pkg", *ORDER):
            sys.modules.pop(name, None)


def linked(roots: tuple[str, ...] = ("pkg.user",)) -> dict[str, str]:
    return Linker(SOURCES, roots, ("pkg.user",)).link()


def test_linked_modules_do_what_the_modules_did() -> None:
    expected = run(SOURCES, ORDER)
    assert expected[1:7] == [  # type: ignore[index]
        "something that is long enough to be a sentence", "base x", 2, "base y", "user z", "mine",
    ]  # fmt: skip
    assert run(linked(), ("pkg.user",)) == expected


def test_modules_in_bundles_of_their_own_do_too() -> None:
    sources = linked(ORDER)
    assert "import pkg.base as" in sources["pkg.user"]
    assert run(sources, ORDER) == run(SOURCES, ORDER)


def test_what_nothing_mentions_and_what_only_people_read_is_gone() -> None:
    source = linked()["pkg.user"]
    for word in ("nobody_calls_this", "Private, like", "__repr__", "__slots__", "->", ": int", "Words."):
        assert word not in source


def test_a_module_that_was_linked_into_another_is_still_importable() -> None:
    assert linked()["pkg.base"].startswith("from pkg.user import ")


def test_two_classes_of_one_name_cannot_be_linked() -> None:
    twice = {
        **SOURCES,
        "pkg.base": BASE + "\n\nclass Error:\n    pass\n\nerrors = [Error]\n\ndef e():\n    return errors\n",
    }
    twice["pkg.user"] = USER + "\nfrom pkg.base import e\nE = e()\n"
    with pytest.raises(ValueError, match="two classes called Error"):
        Linker(twice, ("pkg.user",), ("pkg.user",))


def board(tmp_path: Path, program: str) -> str:
    """Run ``program`` as a board does and return what it says."""
    script = tmp_path / "program.py"
    script.write_text(program)
    process = board_process("board", script, [], tmp_path / "log")
    with process:
        assert process.wait(60) == 0, process.output()
        return process.output()


def test_a_board_signs_what_a_host_signs(tmp_path: Path) -> None:
    program = """
from perunika.crypto import PrivateKey
from perunika.eip712 import Domain
from perunika.structs import Voucher
print(PrivateKey(b"k" * 32).sign(Voucher(b"c" * 32, 12345).digest(Domain(31337, b"x" * 20))).hex())
"""
    here = PrivateKey(b"k" * 32).sign(Voucher(b"c" * 32, 12345).digest(Domain(31337, b"x" * 20)))
    assert board(tmp_path, program).strip() == here.hex()


def test_member_and_payer_leave_room_on_a_heap_of_160_kb(tmp_path: Path) -> None:
    program = """
import gc, json, sys
import perunika_device.agent, perunika_device.own_channel, perunika_device.paying
gc.collect()
if sys.implementation.name == "micropython":
    import micropython
    print(json.dumps([gc.mem_alloc(), gc.mem_free()]))
    micropython.qstr_info()
"""
    said = board(tmp_path, program)
    if find_interpreter().runtime == "cpython":
        assert said == ""  # a host has no heap to measure
        return
    used, free = json.loads(said.splitlines()[0])
    assert 50_000 < used < 115_000
    assert free > 45_000
    # MicroPython doubles its table of names at 1,260: that would cost 14 KB in one piece.
    assert 500 < int(said.split("n_qstr=")[1].split(",")[0]) < 1200


def test_an_image_holds_folders_and_files() -> None:
    image = pack_romfs([("a/b.txt", b"deep"), ("c.txt", bytes(300)), ("a/d.txt", b"")])
    assert image.startswith(b"\xd2\xcd\x31")
    assert len(image) % 2 == 0
    assert image.count(b"\x01a") == 1
    assert b"\x05b.txt\x02\x04deep" in image


@pytest.mark.parametrize("name", ["perunika.errors", "perunika.records", "perunika_device.mqtt"])
def test_a_program_finds_modules_by_their_own_names(tmp_path: Path, name: str) -> None:
    assert board(tmp_path, f"import {name}\nprint('found')\n").strip() == "found"
