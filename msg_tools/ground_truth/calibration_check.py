"""Say whether image and LiDAR fit: is there a small rotation at which depth edges meet image edges clearly better?

The score (edge_alignment.py) is searched over yaw, pitch and roll, coarsely over SPAN and finely around the best place.
What it is worth is told by the frames themselves: resampled with replacement (bootstrap), they must lead to the same
place, and its score must stand out of all others.

The limits come from measurements on good data: scans of a turning car that were not motion compensated look up to 0.25
degrees off in yaw, and edges seen past foreground from another place than the LiDAR's up to 0.15 in pitch and 0.3 in
roll. With images of other frames, or mirrored ones, the best place stood at most 3.7 standard deviations above the mean
of all places and 0.62 above the best place elsewhere; with the right images 3.8 to 7.1 and 0.9 to 2.9 on most sets of a
dozen frames or more. Where it was less, on one in four, the check cannot tell.

Only rotations are searched: a LiDAR that was mounted some centimetres elsewhere moves edges by an angle that depends
on their distance, 0.06 degrees per centimetre at 10 m, and is found as the rotation that fits best. Frames that all
show nearly the same agree too well: take them from a drive, not from one place. Scans show edges best: a map that was
accumulated without a filter has background inside the foreground and often cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..camera import Array, Size
from ..errors import DepthNodeError
from .edge_alignment import AlignedFrame, turn_grid
from .truth_set import TruthEntry, TruthSet

AXES = 'yaw', 'pitch', 'roll'
SPAN_DEG, COARSE_DEG = np.array([1.8, 1.8, 1.8]), np.array([0.2, 0.2, 0.6])
FINE_SPAN_DEG, FINE_DEG = np.array([0.3, 0.3, 0.9]), np.array([0.05, 0.05, 0.15])
LIMIT_DEG = np.array([0.3, 0.3, 0.4])
SPREAD_DEG = np.array([0.1, 0.1, 0.15])  # standard deviation up to which an angle counts as known
SAME_DEG = 0.3  # resampled frames that lead no farther away agree
ELSEWHERE_DEG = 0.5
MIN_PEAK, MIN_LEAD, MIN_AGREEMENT = 3.3, 0.8, 0.9
MIN_FRAMES, MIN_EDGES, MOST_FRAMES = 5, 500, 24
RESAMPLED = 200

WORDS = {'yaw': ('left', 'right'), 'pitch': ('low', 'high'), 'roll': ('turned anticlockwise', 'turned clockwise')}


@dataclass(frozen=True, slots=True)
class Profile:
    """The score along one axis through the best place: turns (n,) [deg] and score (n,)."""

    turns_deg: Array
    score: Array


@dataclass(frozen=True)
class CalibrationCheck:
    """What the edges say of a calibration. `verdict` is fits, misfit or unknown, `text` says it in words.

    The angles [deg] are the error found: LiDAR depth is drawn too far right (yaw > 0), too high (pitch > 0) or turned
    clockwise (roll > 0) by so much; NaN where nothing was found. Scores are mean gradients at the edges, in parts of
    the image's local mean; `chance` is the mean over all turns. `peak` is the height of the best score above that
    in standard deviations, `agreement` the share of resampled sets of frames that led to the same place.
    """

    verdict: str
    text: str
    frames: int = 0
    edges: int = 0
    yaw_deg: float = np.nan
    pitch_deg: float = np.nan
    roll_deg: float = np.nan
    spread_deg: tuple[float, ...] = (np.nan, np.nan, np.nan)
    score: float = np.nan
    best_score: float = np.nan
    chance: float = np.nan
    peak: float = np.nan
    lead: float = np.nan
    agreement: float = np.nan
    profiles: dict[str, Profile] = field(default_factory=dict, repr=False)
    unread: tuple[str, ...] = ()  # frames that could not be read, and why

    @property
    def turn_deg(self) -> Array:
        """Return yaw, pitch and roll (3,) [deg]."""
        return np.array([self.yaw_deg, self.pitch_deg, self.roll_deg])


def check_calibration(truth: TruthSet, most_frames: int = MOST_FRAMES) -> CalibrationCheck:
    """Check image against LiDAR on some frames of a set, spread over it; takes a few seconds.

    A frame that cannot be read is left out and named in `unread`.
    """
    frames, unread = [], []
    for entry in truth.spread(most_frames):
        try:
            frame = aligned_frame(entry)
        except DepthNodeError as error:
            unread.append(f'{entry.name}: {error}')
            continue
        frames += [frame] if frame else []
    return check_frames(frames, tuple(unread))


def aligned_frame(entry: TruthEntry) -> AlignedFrame | None:
    """Read the edges of a frame; None where it has no image or no intrinsics. Raises for what cannot be read."""
    if entry.image_path is None or entry.intrinsics_path is None:
        return None
    depth_m = entry.depth_m()
    size = Size(*depth_m.shape)
    rgb, camera = entry.rgb(size), entry.camera(size)
    return None if rgb is None or camera is None else AlignedFrame.of(entry.name, rgb, depth_m, camera)


def check_frames(frames: Sequence[AlignedFrame], unread: tuple[str, ...] = ()) -> CalibrationCheck:
    """Check frames whose edges were found already."""
    edges = sum(len(frame.edges) for frame in frames)
    if len(frames) < MIN_FRAMES:
        reason = f'expected at least {MIN_FRAMES} frames with image and intrinsics, got {len(frames)}'
    elif edges < MIN_EDGES:
        reason = f'expected at least {MIN_EDGES} depth edges, got {edges}'
    else:
        return _measured(frames, edges, unread)
    return CalibrationCheck('unknown', f'Cannot tell: {reason}.', len(frames), edges, unread=unread)


def _measured(frames: Sequence[AlignedFrame], edges: int, unread: tuple[str, ...]) -> CalibrationCheck:
    coarse = turn_grid(SPAN_DEG, COARSE_DEG, np.zeros(3))
    sums = np.stack([frame.scores(coarse) for frame in frames])
    total = sums.sum(0)
    start = coarse[total.argmax()]
    agreement = float((_apart(_resampled(sums, coarse), start) < SAME_DEG).mean())
    lead = total.max() - total[_apart(coarse, start) > ELSEWHERE_DEG].max()
    peak, lead = (float(height / max(total.std(), 1e-9)) for height in (total.max() - total.mean(), lead))
    fine = turn_grid(FINE_SPAN_DEG, FINE_DEG, start)
    fine_sums = np.stack([frame.scores(fine) for frame in frames])
    best = fine[fine_sums.sum(0).argmax()]
    spread = _resampled(fine_sums, fine).std(0)
    verdict, text = judge(best, spread, is_clear(peak, lead, agreement))
    yaw_deg, pitch_deg, roll_deg = best.tolist()
    return CalibrationCheck(
        verdict, text, len(frames), edges, yaw_deg, pitch_deg, roll_deg, tuple(spread.tolist()),
        score=_total(frames, np.zeros((1, 3)))[0] / edges, best_score=fine_sums.sum(0).max() / edges,
        chance=total.mean() / edges, peak=peak, lead=lead, agreement=agreement,
        profiles=_profiles(frames, best, edges), unread=unread,
    )


def _apart(turns_deg: Array, centre_deg: Array) -> Array:
    """Return how far turns (C, 3) are from a centre in yaw or pitch, the larger of both (C,) [deg]."""
    return np.abs(turns_deg - centre_deg)[:, :2].max(1)


def _total(frames: Sequence[AlignedFrame], turns_deg: Array) -> Array:
    return np.sum([frame.scores(turns_deg) for frame in frames], axis=0)


def _resampled(sums: Array, turns: Array) -> Array:
    """Return the best of turns (C, 3) for frames drawn with replacement (RESAMPLED, 3), by their sums (frames, C)."""
    count = len(sums)
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLED)
    return turns[(weights @ sums).argmax(1)]


def is_clear(peak: float, lead: float, agreement: float) -> bool:
    """Tell whether the best place is one, and not just the best of many alike."""
    return peak >= MIN_PEAK and lead >= MIN_LEAD and agreement >= MIN_AGREEMENT


def judge(best_deg: Array, spread_deg: Array, clear: bool) -> tuple[str, str]:
    """Return the verdict on a best turn (3,) with its spread (3,) [deg], and the sentence that says it."""
    if not clear:
        return 'unknown', (f'Cannot tell: depth edges meet image edges nowhere within {SPAN_DEG[0]:g} degrees clearly '
                           'better than elsewhere. Either there are few edges, or the calibration is far off.')
    known = spread_deg <= SPREAD_DEG
    off = known & (np.abs(best_deg) > LIMIT_DEG + 1e-6)  # the grid's steps are not exact
    if off.any():
        errors = ' and '.join(_off(axis, best_deg[axis]) for axis in np.flatnonzero(off).tolist())
        return 'misfit', f'Does not fit: depth is {errors}.'
    if not known[:2].all():
        names = ' and '.join(name for name, is_known in zip(AXES[:2], known, strict=False) if not is_known)
        return 'unknown', f'Cannot tell: the frames do not agree on {names}.'
    limits = f'yaw and pitch within {LIMIT_DEG[0]:g}'
    roll = f', roll within {LIMIT_DEG[2]:g}' if known[2] else '; the frames do not agree on roll'
    return 'fits', f'Fits: {limits}{roll} degrees.' if known[2] else f'Fits: {limits} degrees{roll}.'


def _off(axis: int, angle_deg: float) -> str:
    """Say an error in words."""
    words = WORDS[AXES[axis]][int(angle_deg > 0)]
    far = f'too far {words}' if axis == 0 else f'too {words}' if axis == 1 else words
    return f'{abs(angle_deg):.2f} degrees {far} ({AXES[axis]})'


def _profiles(frames: Sequence[AlignedFrame], best: Array, edges: int) -> dict[str, Profile]:
    """Return the score along each axis through the best turn."""
    found = {}
    for axis, name in enumerate(AXES):
        turns = np.tile(best, (37, 1))
        turns[:, axis] = np.linspace(-SPAN_DEG[axis], SPAN_DEG[axis], len(turns))
        found[name] = Profile(turns[:, axis], _total(frames, turns) / edges)
    return found
