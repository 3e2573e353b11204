"""A real mosquitto for tests of the link: plain or TLS, with passwords and access rules, kept over restarts."""

import os
import shutil
import socket
import subprocess
import time


def free_port():
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mosquitto:
    """``with Mosquitto(directory) as broker``: answers on 127.0.0.1:``broker.port``; users {name: password}."""

    def __init__(self, directory, users=None, acl="", tls=None):
        self.directory, self.port, self.process = directory, free_port(), None
        lines = [
            f"listener {self.port} 127.0.0.1",
            "set_tcp_nodelay true",
            f"persistence_location {directory}/",
            "persistence true",
            "autosave_interval 1",
            "autosave_on_changes true",
            f"allow_anonymous {'false' if users else 'true'}",
        ]
        if os.getuid() == 0:
            lines.append("user root")
        if users:
            (directory / "passwords").touch(0o600)
            for name, password in users.items():
                command = ["mosquitto_passwd", "-b", str(directory / "passwords"), name, password]
                subprocess.run(command, check=True, capture_output=True)
            lines.append(f"password_file {directory}/passwords")
        if acl:
            (directory / "acl").write_text(acl)
            (directory / "acl").chmod(0o600)
            lines.append(f"acl_file {directory}/acl")
        if tls:
            lines += [f"certfile {tls[0]}", f"keyfile {tls[1]}"]
        (directory / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def start(self):
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        with open(self.directory / "mosquitto.log", "ab") as log:
            command = [program, "-c", str(self.directory / "mosquitto.conf")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        raise RuntimeError((self.directory / "mosquitto.log").read_text())

    def kill(self):
        """As kill -9 does."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
