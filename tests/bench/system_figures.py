"""Figures of the whole system, from a run of the demo: real MicroPython, broker, gateway, store."""

import json
import subprocess
import sys
from typing import Any

SECONDS = 30


def mqtt_payment() -> dict[str, Any]:
    """p95 of a payment over MQTT with TLS: signed on MicroPython, sent -> verified, stored, acknowledged."""
    command = [sys.executable, "-m", "perunika_cli.main", "demo", "--json", "--seconds", str(SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"the demo failed: {done.stderr[-2000:]}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        "value": result["p95_ms"], "p50_ms": result["p50_ms"], "payments": result["payments"],
        "device_heap_peak_bytes": result["device_heap_peak_bytes"],
    }  # fmt: skip
