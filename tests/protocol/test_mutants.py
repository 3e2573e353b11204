"""Each signer rule is needed and tested: with its code taken out, its test fails (mutants.py lists both)."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.protocol.mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PARALLEL = 2


def outcome(folder: Path, test: str) -> int:
    """Run one test against the core in ``folder``; returns pytest's exit code (1: a test failed)."""
    # No plug-ins: they cost more time than the test.
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(HERE / test)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode


def mutate(folder: Path, module: str, code: str, instead: str) -> None:
    shutil.copytree(ROOT / "protocol" / "perunika", folder / "perunika", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "perunika" / f"{module}.py"
    text = path.read_text()
    assert text.count(code) >= 1, f"{module}.py no longer has: {code}"
    path.write_text(text.replace(code, instead))


def run_mutant(folder: Path, mutant: tuple[str, str, str, str, str]) -> int:
    _, module, code, instead, test = mutant
    mutate(folder, module, code, instead)
    result = outcome(folder, test)
    shutil.rmtree(folder)
    return result


def test_the_copy_is_what_is_tested(tmp_path: Path) -> None:
    mutate(tmp_path, "ledger", "def ", "def ")
    assert outcome(tmp_path, MUTANTS[0][4]) == 0
    (tmp_path / "perunika" / "ledger.py").write_text("raise SystemExit\n")
    assert outcome(tmp_path, MUTANTS[0][4]) != 0


def test_every_rule_has_a_test_that_misses_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(PARALLEL) as pool:
        results = list(pool.map(lambda pair: run_mutant(tmp_path / str(pair[0]), pair[1]), enumerate(MUTANTS)))
    survived = [mutant[0] + " " + mutant[4] for mutant, result in zip(MUTANTS, results, strict=True) if result != 1]
    assert not survived, "\n".join(survived)


def test_every_rule_is_listed() -> None:
    assert {mutant[0] for mutant in MUTANTS} == {f"R{number}" for number in range(1, 21)}


@pytest.mark.parametrize("name", sorted({mutant[4].split("[")[0] for mutant in MUTANTS}))
def test_the_named_test_exists(name: str) -> None:
    path, function = name.split("::")
    assert f"def {function}(" in (HERE / path).read_text()
