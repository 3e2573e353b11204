"""The committed interface and bytecode are what the source gives, and nobody has to compile to know."""

import json
import shutil
import subprocess

from tests.contracts.gas_scenarios import ARTIFACT, REPOSITORY, TOKEN_ARTIFACT

BUILD = REPOSITORY / "contracts" / "tools" / "build.mjs"


def check(build=BUILD):
    return subprocess.run(["node", str(build), "--check"], capture_output=True, text=True, timeout=120, check=False)


def test_the_committed_artifacts_match_the_source():
    assert check().returncode == 0


def test_the_check_sees_a_source_that_differs(tmp_path):
    contracts = tmp_path / "contracts"
    shutil.copytree(REPOSITORY / "contracts" / "src", contracts / "src")
    shutil.copytree(REPOSITORY / "contracts" / "test" / "support", contracts / "test" / "support")
    shutil.copytree(REPOSITORY / "contracts" / "tools", contracts / "tools")
    shutil.copy(REPOSITORY / "contracts" / "foundry.toml", contracts)
    (contracts / "node_modules").symlink_to(REPOSITORY / "contracts" / "node_modules")
    for artifact in ARTIFACT, TOKEN_ARTIFACT:
        copy = tmp_path / artifact.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(artifact, copy)
    assert check(contracts / "tools" / "build.mjs").returncode == 0
    limits = contracts / "src" / "types" / "Limits.sol"
    limits.write_text(limits.read_text().replace("MAX_TICKS = 1024", "MAX_TICKS = 1025"))
    differing = check(contracts / "tools" / "build.mjs")
    assert differing.returncode == 1
    assert "Perunika.json" in differing.stderr


def test_the_contract_leaves_room_below_the_limit_of_code():
    length = json.loads(ARTIFACT.read_text())["runtimeLength"]
    assert length < 24_576
