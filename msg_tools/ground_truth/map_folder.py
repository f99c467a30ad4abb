"""Find depth maps by name, in a plain folder, an output of velodyne_to_depth or KITTI's depth benchmark."""

from __future__ import annotations

from pathlib import Path

from ..camera import Array, Size
from ..depth_png import read_depth_steps
from ..errors import TruthSetError


def find_maps(folder: Path, camera: int = 2) -> dict[str, Path]:
    """Return the depth maps of a folder by name: in depth/, in the folder itself, or as in KITTI's depth benchmark.

    There they lie in DRIVE/proj_depth/groundtruth/image_0CAMERA. Raises TruthSetError where there are none, or where
    two drives have maps of the same names.
    """
    for inner in (folder / 'depth', folder):
        if found := file_names(inner, ('.png',)):
            return found
    pattern = f'proj_depth/groundtruth/image_{camera:02d}'
    drives = sorted([*folder.glob(pattern), *folder.glob(f'*/{pattern}'), *folder.glob(f'*/*/{pattern}')])
    maps: dict[str, Path] = {}
    for drive in drives:
        found = file_names(drive, ('.png',))
        if twice := maps.keys() & found.keys():
            name = min(twice)
            raise TruthSetError(f'{folder}: expected one map named {name}, got {maps[name]} and {found[name]}; '
                                'name the folder of one drive')
        maps |= found
    if not maps:
        raise TruthSetError(f'{folder}: expected depth maps NAME.png in it, in depth/ or in DRIVE/{pattern}, found '
                            f'{"none" if folder.is_dir() else "no such folder"}')
    return maps


def file_names(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return the files of a folder with one of these suffixes by name without it; {} where there is no folder."""
    if not folder.is_dir():
        return {}
    hidden = '.'  # what is being written has a hidden name
    paths = (path for path in folder.iterdir() if path.suffix in suffixes and not path.name.startswith(hidden))
    return {path.stem: path for path in paths}


def read_pair(ours: Path, theirs: Path) -> tuple[Array, Array]:
    """Read two maps uint16 (H, W) in steps of 1/256 m.

    Raises DepthPngError where one is broken, TruthSetError where their sizes differ.
    """
    a, b = read_depth_steps(ours), read_depth_steps(theirs)
    if a.shape != b.shape:
        raise TruthSetError(f'{theirs}: expected a map of {Size(*a.shape)} as ours, got {Size(*b.shape)}; '
                            'was one of them cropped or resized?')
    return a, b
