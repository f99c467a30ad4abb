"""Processes of a benchmark: starting and stopping them, and what the kernel says about one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_S = 10.0  # after it a process that was told to stop is killed


@dataclass(frozen=True, slots=True)
class Call:
    """A command of ours to run: its module and arguments, and the folder whose packages it uses ('': this one's)."""

    module: str
    arguments: Sequence[str] = ()
    package: str = ''

    def environment(self) -> dict[str, str] | None:
        """Return the environment of the process; None: this one's."""
        if not self.package:
            return None
        return {**os.environ, 'PYTHONPATH': os.pathsep.join([self.package, os.environ.get('PYTHONPATH', '')])}


class Command:
    """One of our commands in a process of its own, which is told to stop at the end, and killed if it does not."""

    def __init__(self, call: Call) -> None:
        program = f'import sys; from {call.module} import main; sys.exit(main())'
        self.output = tempfile.TemporaryFile('w+')  # noqa: SIM115 (closed in __exit__); a pipe could run full
        self.process = subprocess.Popen(
            [sys.executable, '-c', program, *call.arguments], stdout=self.output, stderr=self.output,
            env=call.environment(), cwd=call.package or None,  # with -c Python looks into the working folder first
        )

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.output.close()

    @property
    def runs(self) -> bool:
        """Return whether the process still runs."""
        return self.process.poll() is None

    def text(self) -> str:
        """Return what it has printed so far."""
        return Path(f'/proc/self/fd/{self.output.fileno()}').read_text().strip()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used since it began: processor time [s] and minor page faults."""

    cpu_s: float = 0.0
    faults: int = 0

    def since(self, before: Usage) -> Usage:
        """Return what was used after an earlier moment."""
        return Usage(self.cpu_s - before.cpu_s, self.faults - before.faults)


def usage(pid: int) -> Usage:
    """Return what a process has used, all of its threads together."""
    return parse_stat(Path(f'/proc/{pid}/stat').read_text(), os.sysconf('SC_CLK_TCK'))


def parse_stat(text: str, ticks_per_s: int) -> Usage:
    """Read /proc/PID/stat; its second field, the program's name, may hold blanks and brackets.

    >>> parse_stat('7 (a (b) c) S 1 7 7 0 -1 4194304 500 0 3 0 150 50 0 0', 100)
    Usage(cpu_s=2.0, faults=500)
    """
    fields = text.rpartition(')')[2].split()
    return Usage((int(fields[11]) + int(fields[12])) / ticks_per_s, int(fields[7]))


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process [MB]."""
    text = Path(f'/proc/{pid}/status').read_text()
    return int(text.partition('VmRSS:')[2].split()[0]) / 1000
