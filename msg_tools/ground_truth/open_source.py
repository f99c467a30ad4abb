"""Tell what a folder or file is, by what lies in it, and open it as a source of scans and images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CalibrationError, ConfigError, DepthNodeError
from ..kitti import SCANS
from .bag_source import BagSource
from .bag_topics import BagOptions
from .kitti_benchmark import MAPS, KittiBenchmarkSource, KittiSelectionSource
from .kitti_files import FilesSource, with_turn
from .kitti_object import open_calibrated, open_object
from .kitti_odometry import KittiOdometrySource
from .kitti_raw import KittiRawSource
from .sources import Source

BAG_SUFFIXES = '.bag', '.mcap', '.db3'


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What is wanted of a source; `bag` is for bags only, the rest of it is overruled by these.

    `calibration` is the folder of KITTI's files, where they are not beside the drive, or a bag's calibration file.
    `raw` is where the raw drives of the depth benchmark are. `turn_s` is how long a turn takes of which neither the
    points nor the source tell.
    """

    camera: int = 2
    with_images: bool = True
    calibration: Path | None = None
    raw: Path | None = None
    turn_s: float | None = None
    bag: BagOptions = field(default_factory=BagOptions)


@dataclass(frozen=True, slots=True)
class Layout:
    """A kind of source: what it is called, how it is told, and what opens it."""

    name: str
    looks: str
    fits: Callable[[Path], bool]
    open: Callable[[Path, SourceOptions], Source]


def open_source(path: Path, options: SourceOptions | None = None) -> Source:
    """Open a source as what it is. Raises DepthNodeError where it is none of those that are known, or several."""
    options = options or SourceOptions()
    found = layouts_of(path)
    if not found and (drive := _only_drive(path)):
        path, found = drive, layouts_of(drive)
    if len(found) != 1:
        what = ' and '.join(layout.name for layout in found) if found else _contents(path)
        raise DepthNodeError(f'{path}: expected one of ' + '; '.join(f'{kind.name} ({kind.looks})' for kind in LAYOUTS)
                             + f'; got {what}')
    if found[0].name != 'a bag' and _names_topics(options.bag):
        raise ConfigError(f'{path}: expected a bag with the topics that were named, got {found[0].name}')
    return found[0].open(path, options)


def layouts_of(path: Path) -> list[Layout]:
    """Return the kinds of source that a path fits."""
    return [layout for layout in LAYOUTS if layout.fits(path)]


def _only_drive(path: Path) -> Path | None:
    """Return the drive of a day's folder that has but one. Raises DepthNodeError where it has several."""
    drives = sorted(child for child in path.iterdir() if _is_raw(child)) if path.is_dir() else []
    if len(drives) > 1:
        raise DepthNodeError(f'{path}: expected one drive, got {len(drives)}: '
                             f'{", ".join(drive.name for drive in drives[:5])}; name one')
    return drives[0] if drives else None


def _is_bag(path: Path) -> bool:
    if not path.is_dir():
        return path.suffix in BAG_SUFFIXES and path.exists()
    return (path / 'metadata.yaml').exists() or any(file.suffix in BAG_SUFFIXES for file in path.iterdir())


def _is_raw(path: Path) -> bool:
    return (path / SCANS).is_dir() or (path / 'image_02/data').is_dir()


def _is_odometry(path: Path) -> bool:
    return (path / 'velodyne').is_dir() and ((path / 'calib.txt').is_file() or (path / 'times.txt').is_file())


def _is_object(path: Path) -> bool:
    """Tell an object split, whose calibration files are named by their frame alone."""
    calib = path / 'calib'
    return (path / 'velodyne').is_dir() and calib.is_dir() and any(file.stem.isdigit() for file in calib.glob('*.txt'))


def _is_calibrated(path: Path) -> bool:
    return (path / 'velodyne').is_dir() and any((path / 'calib').glob('*_image_0?.txt'))


def _open_bag(path: Path, options: SourceOptions) -> Source:
    given = {'camera': options.camera, 'with_images': options.with_images, 'turn_s': options.turn_s,
             'calibration': options.calibration}
    names = BagOptions.__dataclass_fields__
    return BagSource.open(path, BagOptions(**{name: given.get(name, getattr(options.bag, name)) for name in names}))


def _open_raw(path: Path, options: SourceOptions) -> Source:
    return KittiRawSource.open(path, options.camera, options.with_images, options.calibration)


def _open_benchmark(path: Path, options: SourceOptions) -> Source:
    return KittiBenchmarkSource.open(path, options.camera, options.with_images, options.raw, options.calibration)


def _of_files(opened: Callable[[Path, int, bool], FilesSource]) -> Callable[[Path, SourceOptions], Source]:
    """Return what opens a source of files with the options."""
    def open_files(path: Path, options: SourceOptions) -> Source:
        if options.calibration:
            raise CalibrationError(f'{path}: expected its own calibration files to be used, got {options.calibration}')
        return with_turn(opened(path, options.camera, options.with_images), options.turn_s)

    return open_files


def _names_topics(bag: BagOptions) -> bool:
    return any((bag.cloud, bag.image, bag.info, bag.right and bag.right != 'auto'))


def _contents(path: Path) -> str:
    if not path.is_dir():
        return 'a file of another kind' if path.exists() else 'no such folder or file'
    names = sorted(child.name for child in path.iterdir())
    return f'a folder with {", ".join(names[:8])}{", ..." if len(names) > 8 else ""}' if names else 'an empty folder'


LAYOUTS = (
    Layout('a bag', '*.bag, *.mcap, *.db3, or a folder with one or with metadata.yaml', _is_bag, _open_bag),
    Layout('a KITTI raw drive', 'velodyne_points, image_02; or a day with one drive', _is_raw, _open_raw),
    Layout('a KITTI odometry sequence', 'velodyne, image_2, calib.txt, times.txt', _is_odometry,
           _of_files(KittiOdometrySource.open)),
    Layout("a split of KITTI's object benchmark", 'velodyne, image_2, calib/FRAME.txt', _is_object,
           _of_files(open_object)),
    Layout('points with a calibration file per frame', 'velodyne, image_02, calib/FRAME_image_02.txt', _is_calibrated,
           _of_files(open_calibrated)),
    Layout("a drive of KITTI's depth benchmark", f'{MAPS}/image_02', lambda path: (path / MAPS).is_dir(),
           _open_benchmark),
    Layout("the selection of KITTI's depth benchmark", 'velodyne_raw, image, intrinsics',
           lambda path: (path / 'velodyne_raw').is_dir() and (path / 'intrinsics').is_dir(),
           lambda path, options: KittiSelectionSource(path, options.with_images)),
)
