"""Where velodyne_to_depth's files lie, and how those of a frame are written: each whole, the depth map last."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..colors import overlay
from ..depth_png import STEPS_PER_M, encode_depth_steps
from ..errors import OutputError
from ..image_file import encode_rgb
from ..whole_file import replacing, write_whole
from .camera_files import intrinsics_text, lens_yaml
from .lens import PINHOLE, Lens
from .maps import DepthMap
from .sparse import encode_sparse

IMAGE_CHOICES = 'link', 'copy', 'none'
LAYOUTS = 'default', 'benchmark'


@dataclass(frozen=True)
class Output:
    """The folder of a data set and what is wanted in it; a layout says where depth maps and images lie.

    `camera_per_frame`: each frame has intrinsics of its own beside it.
    """

    folder: Path
    layout: str = 'default'
    images: str = 'link'
    overlay: bool = False
    sparse: bool = False
    camera: int = 2
    camera_per_frame: bool = False

    @cached_property
    def places(self) -> dict[str, Path]:
        """Return the folders of what is wanted, by kind; the depth maps' is the last."""
        depth, image = 'depth', 'image'
        if self.layout == 'benchmark':  # the KITTI depth benchmark's
            depth, image = f'proj_depth/groundtruth/image_{self.camera:02d}', f'image_{self.camera:02d}/data'
        wanted = {'image': (image, self.images != 'none'), 'overlay': ('overlay', self.overlay),
                  'sparse': ('sparse', self.sparse), 'intrinsics': ('intrinsics', self.camera_per_frame),
                  'depth': (depth, True)}
        return {kind: self.folder / name for kind, (name, is_wanted) in wanted.items() if is_wanted}

    def depth_path(self, name: str) -> Path:
        """Return the depth map of a frame."""
        return self.places['depth'] / f'{name}.png'

    def make_folders(self) -> None:
        """Make the folders. Raises OutputError where that is not possible."""
        for place in self.places.values():
            try:
                place.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f'{place}: expected a folder to write to, got: {error.strerror}') from error
        if not os.access(self.folder, os.W_OK):
            raise OutputError(f'{self.folder}: expected a folder to write to, got no permission')

    def complete(self) -> set[str]:
        """Return the names of the frames that have all their files."""
        found = [names_in(place) for place in self.places.values()]
        return set.intersection(*found)


def names_in(folder: Path) -> set[str]:
    """Return the names, without suffixes, of the whole files below a folder."""
    return {os.path.relpath(os.path.join(path, file), folder).rpartition('.')[0]
            for path, _, files in os.walk(folder) for file in files if not file.startswith('.')}


def write_frame(output: Output, result: DepthMap, lens: Lens | None = None) -> int:
    """Write a frame's files and return the size of its depth map in bytes; with a lens, its intrinsics, too.

    Raises OutputError where the output cannot be written, ImageError or OSError where the image cannot be read.
    """
    name, frame, places = result.frame.entry.name, result.frame, output.places
    if 'image' in places:
        place_image(places['image'], name, result, link=output.images == 'link')
    if 'overlay' in places:
        write(places['overlay'] / f'{name}.png', encode_rgb(overlay(frame.rgb(), result.steps / STEPS_PER_M)))
    if 'sparse' in places:
        write(places['sparse'] / f'{name}.npz', encode_sparse(result.steps))
    if lens is not None:
        write_lens(output.folder / 'intrinsics' / name, lens)
    png = encode_depth_steps(result.steps)
    write(output.depth_path(name), png)
    return len(png)


def place_image(folder: Path, name: str, result: DepthMap, link: bool) -> None:
    """Put a frame's image into a folder: linked or copied where it is a file, as a PNG where it came in a message."""
    picture = result.frame.image
    if not isinstance(picture, Path):
        write(folder / f'{name}.png', encode_rgb(result.frame.rgb()))
    elif not (link and linked(picture, folder / f'{name}{picture.suffix}')):
        write(folder / f'{name}{picture.suffix}', picture.read_bytes())


def linked(file: Path, link: Path) -> bool:
    """Make a hard link, or a symbolic one (another disk); return whether there is a link now."""
    for make in (os.link, os.symlink):
        try:
            with replacing(link) as temporary:
                make(os.path.abspath(file) if make is os.symlink else file, temporary)
        except OSError:  # not on this file system, or not allowed
            continue
        return True
    return False


def write_lens(path: Path, lens: Lens) -> None:
    """Write the intrinsics as PATH.txt (K, nine numbers) and, where the images are distorted, PATH.yaml."""
    write(path.with_name(f'{path.name}.txt'), intrinsics_text(lens).encode())
    if lens.model != PINHOLE:
        write(path.with_name(f'{path.name}.yaml'), lens_yaml(lens).encode())


def write(path: Path, data: bytes) -> None:
    """Write a file of the output, whole or not at all. Raises OutputError where that is not possible."""
    with writing(path):
        try:
            write_whole(path, data)
        except FileNotFoundError:  # a name with a folder in it, or a folder that went
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk has against a file of the output into an OutputError."""
    try:
        yield
    except OSError as error:
        raise OutputError(f'{path}: expected to write it, got: {error.strerror}') from error
