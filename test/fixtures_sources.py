"""Sources that misbehave at some frame, for tests of whoever runs them; they travel to worker processes."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from msg_tools.ground_truth.sources import Entry, Frame, Source, View


def kill(_: Path) -> None:
    """End the process as the system does where memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_once(marks: Path) -> None:
    """End the process that comes here first."""
    try:
        (marks / 'killed').touch(exist_ok=False)
    except FileExistsError:
        return
    kill(marks)


def stumble(_: Path) -> None:
    """Raise what nobody foresaw."""
    raise ZeroDivisionError('a mistake')


@dataclass(frozen=True)
class FaultySource:
    """Another source, with what happens before some frames are read, and a pause [s] before each.

    `focal` makes the camera of each frame one of its own.
    """

    source: Source
    marks: Path
    faults: dict = field(default_factory=dict)
    pause_s: float = 0.0
    focals: tuple = ()

    def __getattr__(self, name: str):
        if name.startswith('__') or name == 'source':  # asked for while it is unpickled
            raise AttributeError(name)
        return getattr(self.source, name)

    def read(self, entries: list[Entry]) -> Iterator[Frame]:
        """Read the frames, misbehaving where it is time to."""
        for entry in entries:
            time.sleep(self.pause_s)
            if entry.frame in self.faults:
                self.faults[entry.frame](self.marks)
            yield from self.source.read([entry])

    def view(self, entry: Entry) -> View:
        """Return the camera, with a focal length of the frame's own."""
        view = self.source.view(entry)
        if not self.focals:
            return view
        camera = replace(view.lens.camera, fx=self.focals[entry.frame])
        return replace(view, lens=replace(view.lens, camera=camera))
