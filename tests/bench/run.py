"""`make bench`: measure every figure in this tree, set it beside its target and its peers, write build/bench.json.

Run: python tests/bench/run.py [key …]   (all figures by default; a key names one)
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tests.bench import core_figures, fleet_figures, system_figures  # noqa: E402 - needs the repository on the path
from tests.contracts import gas_scenarios  # noqa: E402

PEERS = json.loads(Path(__file__).with_name("peers.json").read_text())
OUTPUT = REPOSITORY / "build" / "bench.json"

Figure = dict[str, Any]
_gas: dict[str, int] = {}


def gas(name: str) -> Callable[[], Figure]:
    """Return a figure that reads one entry of the gas scenarios, which run once on a fresh node."""

    def measure() -> Figure:
        if not _gas:
            _gas.update(gas_scenarios.measure())
        return {"value": _gas[name], "how": "whole transaction on anvil, receipts, tests/contracts/gas_scenarios.py"}

    return measure


# key, unit, target (all: lower is better), how to measure
TABLE: tuple[tuple[str, str, float, Callable[[], Figure]], ...] = (
    ("mqtt_payment_p95_ms", "ms", 50, system_figures.mqtt_payment),
    ("signatures_per_payment", "signatures", 1, core_figures.signatures_per_payment),
    ("onchain_tx_fleet_of_100", "transactions", 2, fleet_figures.fleet_of_100),
    ("gas_open", "gas", 60_000, gas("open")),
    ("gas_close", "gas", 49_000, gas("close_slot_freed")),
    ("gas_open_batch100", "gas per channel", 32_000, gas("openMany100_per_channel")),
    ("gas_close_batch100", "gas per channel", 24_000, gas("closeMany100_per_channel")),
    ("virtual_open_ms", "ms", 3, core_figures.virtual_open),
    ("voucher_check_p99_ms", "ms", 0.1, core_figures.voucher_check),
)


def measure(keys: list[str]) -> list[Figure]:
    """Return one entry per key of TABLE (or per key asked for), with target and peers."""
    entries = []
    for key, unit, target, function in TABLE:
        if keys and key not in keys:
            continue
        print(f"measuring {key} …", file=sys.stderr, flush=True)
        found = function()
        peers = dict(PEERS.get(key, {}))
        peers.update(found.pop("peers", {}))
        how = found.pop("how", "") or (function.__doc__ or "").strip()
        value = found.pop("value")
        extra = "; ".join(f"{name} {each}" for name, each in found.items())
        entries.append({
            "key": key, "value": value, "unit": unit, "target": target, "better": "lower", "peers": peers,
            "how": how + (f" ({extra})" if extra else ""),
        })  # fmt: skip
    return entries


def show(entries: list[Figure]) -> None:
    """Print the table for people: value, target, whether it is met, and the peers below."""
    for entry in entries:
        met = "met" if entry["value"] <= entry["target"] else "MISSED"
        print(f"{entry['key']:26} {entry['value']:>12} {entry['unit']:16} target {entry['target']:<8} {met}")
        print(f"{'':26} {entry['how']}")
        for name, value in entry["peers"].items():
            print(f"{'':26} {value:>12} {name}")


def main() -> int:
    """Measure, write, show; exit 0 also when a target is missed: the table says so."""
    entries = measure(sys.argv[1:])
    OUTPUT.parent.mkdir(exist_ok=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True).stdout.strip()
    OUTPUT.write_text(json.dumps(entries, indent=1) + "\n")
    show(entries)
    print(f"\n{len(entries)} figures of {commit[:10] or 'this tree'} written to {OUTPUT.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
