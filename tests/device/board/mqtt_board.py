"""A board that speaks MQTT as its setup (JSON, a line of input) says, and reports events as JSON lines.

Runs on MicroPython and CPython. Tables are made once: a growing set would fragment a small heap.
"""

import asyncio
import gc
import json
import sys

from perunika.errors import LocalError
from perunika_device import platform
from perunika_device.mqtt import Client, TlsSettings

setup = json.loads(sys.stdin.readline())


def report(event, **facts):
    facts["event"] = event
    print(json.dumps(facts))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def tls_settings():
    if "ca" not in setup:
        return None
    certificate = read(setup["cert"]) if "cert" in setup else None
    key = read(setup["key"]) if "key" in setup else None
    return TlsSettings(read(setup["ca"]), setup["hostname"], certificate, key)


class Board:
    def __init__(self):
        self.count = setup.get("count", 0)
        self.answered = bytearray(self.count)
        self.answers = 0
        self.echoes = []
        self.client = Client(
            setup.get("host", "127.0.0.1"),
            setup["port"],
            setup["id"],
            setup.get("user"),
            setup.get("password"),
            tls_settings(),
            setup.get("keepalive_s", 20),
            setup.get("will"),
            self.on_message,
            setup.get("max_packet_bytes", 2048),
            setup.get("window", 8),
            setup.get("retransmit_ms", 5000),
        )

    def on_message(self, topic, payload):
        if payload == b"fail":
            raise LocalError("test", "the callback fails")
        if setup.get("echo"):
            self.echoes.append(payload)
        elif self.count:
            number = int(payload)
            if not self.answered[number]:
                self.answered[number] = 1
                self.answers += 1
        else:
            report("message", topic=topic.decode(), payload=payload.decode())

    async def echo(self):
        while True:
            while self.echoes:
                await self.client.publish(setup["echo"], self.echoes.pop(0))
            await asyncio.sleep(0)

    async def publish_numbers(self):
        for number in range(self.count):
            await self.client.publish(setup["publish"], f"{number}")
            await asyncio.sleep(setup["interval_s"])
        while self.answers < self.count:
            # The answer is the application's acknowledgement; without one the number is published again.
            await asyncio.sleep(2)
            for number in range(self.count):
                if not self.answered[number]:
                    await self.client.publish(setup["publish"], f"{number}")
        while self.client.in_flight:
            await asyncio.sleep(0.05)

    async def report_errors(self):
        last = None
        while True:
            error = self.client.last_error
            if error is not last:
                last = error
                report("error", code=error.code, text=error.text, fault=error.fault)
            await asyncio.sleep(0.05)

    async def main(self):
        for topic in setup.get("subscribe", ()):
            await self.client.subscribe(topic)
        running = asyncio.create_task(self.client.run())
        tasks = [asyncio.create_task(self.report_errors())]
        if setup.get("until") == "run ends":
            try:
                await running
            except LocalError as error:
                report("run ended", code=error.code)
            return
        await self.client.ready()
        report("ready", refused=[topic.decode() for topic in self.client.refused_topics])
        for topic, payload, retain in setup.get("first", ()):
            await self.client.publish(topic, payload, retain)
        if setup.get("echo"):
            tasks.append(asyncio.create_task(self.echo()))
        if self.count:
            await self.publish_numbers()
        else:
            await asyncio.sleep(setup.get("seconds", 60))
        for task in tasks:
            task.cancel()
        if setup.get("stop", True):
            await self.client.stop()
        gc.collect()
        counters = self.client.counters
        report(
            "done",
            sent=counters.sent,
            acked=counters.acked,
            retransmitted=counters.retransmitted,
            reconnects=counters.reconnects,
            dropped_oversized=counters.dropped_oversized,
            received=counters.received,
            received_duplicates=counters.received_duplicates,
            heap_bytes=platform.heap_used_bytes(),
        )


asyncio.run(Board().main())
