"""Read a folder of depth maps back, such as velodyne_to_depth writes: maps, images, intrinsics and the manifest.

Only names and the manifest's numbers are kept; maps and images are read when they are asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..camera import Array, Intrinsics, Size
from ..depth_png import read_depth_png
from ..errors import ImageError, TruthSetError
from ..image_file import read_rgb
from ..kitti import IMAGE_SUFFIXES
from .camera_files import read_intrinsics
from .manifest import FORMATS
from .manifest_file import Manifest, read_manifest
from .map_folder import file_names

WITH_MAP = 'ok', 'partial'
BENCHMARK_MAPS = 'proj_depth/groundtruth/image_*'


@dataclass(frozen=True, slots=True)
class TruthEntry:
    """One frame of a set: where its files are; `row` is its line in the manifest."""

    name: str
    row: int
    depth_path: Path
    image_path: Path | None
    intrinsics_path: Path | None

    def depth_m(self) -> Array:
        """Read the depth map float32 (H, W) [m], 0 where there is none. Raises DepthPngError where it is broken."""
        return read_depth_png(self.depth_path)

    def rgb(self, size: Size) -> Array | None:
        """Read the image uint8 (H, W, 3); None where there is none.

        Raises ImageError where it is broken or of another size than the depth map.
        """
        if self.image_path is None:
            return None
        rgb = read_rgb(self.image_path)
        if rgb.shape[:2] != size.shape:
            raise ImageError(f'{self.image_path}: expected an image of {size} as the depth map, got '
                             f'{Size(*rgb.shape[:2])}; was one of them resized?')
        return rgb

    def camera(self, size: Size) -> Intrinsics | None:
        """Read the intrinsics of an image of this size; None where there are none. Raises CalibrationError."""
        return None if self.intrinsics_path is None else read_intrinsics(self.intrinsics_path, size)


@dataclass(frozen=True)
class TruthSet:
    """The frames of a folder of depth maps; see `open`."""

    folder: Path
    maps: Path
    manifest: Manifest = field(repr=False)
    entries: tuple[TruthEntry, ...] = field(repr=False)

    @classmethod
    def open(cls, folder: Path | str) -> TruthSet:
        """Open a folder with depth/NAME.png, and image/, manifest.csv, intrinsics.txt or intrinsics/ where they are.

        A drive in the layout of KITTI's depth benchmark will do, too, or a plain folder of depth PNGs, or a manifest
        (CSV or Parquet) that says why there are none. Raises TruthSetError where there is nothing of it.
        """
        folder = Path(folder)
        maps, images = places(folder)
        found = file_names(maps, ('.png',))
        path = next((file for suffix in FORMATS if (file := folder / f'manifest.{suffix}').exists()), None)
        if not found and path is None:
            raise TruthSetError(f'{maps}: expected depth maps (*.png) or a manifest.csv, found none; was the folder '
                                'written by velodyne_to_depth?')
        manifest = read_manifest(path) if path else Manifest.of_names(sorted(found))
        return cls(folder, maps, manifest, _entries(folder, images, manifest, found))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Return what settings.json says of how the set was made, {} without one. Raises TruthSetError."""
        path = self.folder / 'settings.json'
        if not path.exists():
            return {}
        try:
            found = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise TruthSetError(f'{path}: expected settings as JSON, got: {error}') from error
        if not isinstance(found, dict):
            raise TruthSetError(f'{path}: expected a JSON object of settings, got {type(found).__name__}')
        return found

    def spread(self, count: int) -> list[TruthEntry]:
        """Return at most `count` entries, spread evenly from the first to the last."""
        places = np.linspace(0, len(self.entries) - 1, min(count, len(self.entries)))
        return [self.entries[place] for place in np.rint(places).astype(int)]


def places(folder: Path) -> tuple[Path, Path]:
    """Return the folders of a set's maps and images; in the benchmark's layout those of its first camera with maps."""
    benchmark = sorted(path for path in folder.glob(BENCHMARK_MAPS) if any(path.glob('*.png')))
    if benchmark and not (folder / 'depth').is_dir():
        return benchmark[0], folder / benchmark[0].name / 'data'
    return folder / 'depth' if (folder / 'depth').is_dir() else folder, folder / 'image'


def _entries(folder: Path, pictures: Path, manifest: Manifest, maps: dict[str, Path]) -> tuple[TruthEntry, ...]:
    """Return the frames that the manifest says have a map, as far as the map is there."""
    images = file_names(pictures, IMAGE_SUFFIXES)
    own, shared = file_names(folder / 'intrinsics', ('.txt',)), folder / 'intrinsics.txt'
    one = shared if shared.exists() else None
    return tuple(
        TruthEntry(name, row, maps[name], images.get(name), own.get(name, one))
        for row, (name, status) in enumerate(zip(manifest.names, manifest.statuses, strict=True))
        if status in WITH_MAP and name in maps
    )
