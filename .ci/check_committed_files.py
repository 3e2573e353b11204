"""Refuse committed files that would not mean anything elsewhere: paths of one machine, addresses of one registry.

Also refuses files whose names say that they hold a secret.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Written so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|tmp|Users|home/[a-z]\w*)/[\w.]")
REGISTRY = re.compile(r'"resolved": *"http|--(?:extra-)?index-url|--registry[ =]http|\bregistry *= *"?http')
SECRET_NAME = re.compile(r"\.(?:key|pem|keystore|password)$")


def committed_files() -> list[Path]:
    """Return the files that git tracks."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name]


def complaints_about(path: Path) -> list[str]:
    """Return one line per finding in a file; binary files are only judged by their name."""
    name = path.relative_to(ROOT)
    found = [f"{name}: looks like a secret"] if SECRET_NAME.search(path.name) else []
    try:
        text = path.read_text()
    except (UnicodeDecodeError, FileNotFoundError):
        return found
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATH.search(line):
            found.append(f"{name}:{number}: path of one machine: {line.strip()[:100]}")
        if REGISTRY.search(line):
            found.append(f"{name}:{number}: address of one package registry: {line.strip()[:100]}")
    return found


def main() -> int:
    """Check every committed file, print the findings; the result is the exit status."""
    files = committed_files()
    findings = [finding for path in files for finding in complaints_about(path)]
    print(*findings, f"committed files: {len(files)} read, {len(findings)} findings", sep="\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
