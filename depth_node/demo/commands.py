"""Run our commands as a user would, in processes of their own: to their end, or as services beside each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from msg_tools.errors import DepthNodeError

MODULES = {
    'kitti_to_bag': 'msg_tools.kitti_bag',
    'velodyne_to_depth': 'msg_tools.ground_truth.cli',
    'synthetic_drive': 'msg_tools.synthetic',
    'depth_node': 'depth_node.node',
    'depth_predict': 'depth_node.predict',
    'bag_replay': 'depth_node.ros.replay',
    'bag_record': 'depth_node.ros.record',
    'depth_eval': 'depth_node_training.evaluate',
}
POLL_S = 0.05
STOP_S = 15.0


class DemoError(DepthNodeError):
    """A step of the demo that failed, and where its own words are."""


def command(name: str, *args: object) -> list[str]:
    """Return the command line of one of our commands; it needs nothing on PATH."""
    call = f'import sys; from {MODULES[name]} import main; sys.exit(main())'
    return [sys.executable, '-c', call, *map(str, args)]


def run(name: str, *args: object, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed; its errors and progress bar go to our stderr.

    Raises DemoError where it fails.
    """
    done = subprocess.run(command(name, *args), env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise DemoError(f'expected {name} to succeed, got exit status {done.returncode}; see its message above')
    return done.stdout


class Service:
    """A command that runs beside others until it is stopped; what it says goes to a log file."""

    def __init__(self, name: str, *args: object, log: Path, env: Mapping[str, str]) -> None:
        """Start it."""
        self.name, self.log = name, log
        with log.open('wb') as file:
            self.process = subprocess.Popen(
                command(name, *args), env={**env, 'PYTHONUNBUFFERED': '1'}, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, start_new_session=True,  # a Ctrl-C reaches us alone, and we stop it
            )

    def __enter__(self) -> Service:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it if it still runs."""
        if self.process.poll() is None:
            self.stop()

    def said(self) -> str:
        """Return all that it has said so far."""
        return self.log.read_text(errors='replace')

    def wait_for(self, *texts: str, timeout_s: float) -> None:
        """Wait until it has said all of these; raise DemoError with its last line where it ends, fails or is silent."""
        deadline_s = time.monotonic() + timeout_s
        while not all(text in self.said() for text in texts):
            failed = '[ERROR]' in self.said() or self.process.poll() is not None
            if failed or time.monotonic() > deadline_s:
                wrong = 'it failed' if failed else f'nothing like it came in {timeout_s:.0f} s'
                words = f'{wrong}: {self.last_line()} ({self.log})'
                raise DemoError(f'expected {self.name} to say {texts[0]!r}, but {words}')
            time.sleep(POLL_S)

    def last_line(self) -> str:
        """Return the last error that it told, or else its last line."""
        lines = [line.strip() for line in self.said().splitlines() if line.strip()]
        errors = [line for line in lines if 'ERROR' in line or 'error:' in line]
        return (errors or lines or ['it said nothing'])[-1]

    def wait(self) -> None:
        """Wait for its end; raise DemoError where it fails."""
        if self.process.wait():
            raise DemoError(f'expected {self.name} to succeed, got {self.last_line()} ({self.log})')

    def stop(self) -> int:
        """Send SIGINT, as Ctrl-C does, and wait; kill it where it does not end. Return the exit status."""
        os.kill(self.process.pid, signal.SIGINT)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
