"""From a labelled image to the network's input and target: zoom, crop, flip, tilt and colour; metres stay metres.

The network knows one camera: at the canonical focal length its output is metres. An input scaled up by s looks like
one taken with a focal length s times longer, in which everything seems s times nearer; so the target is
`depth * focal_canonical / focal_at_input`, and a crop changes nothing.

A tilt turns the camera about its own centre by a rotation R. What it then sees follows from what it saw, without
knowing any depth: all points on a ray move together, so the image moves by the homography K' R K^-1, and a label's
point Z K^-1 (u, v, 1) moves to R Z K^-1 (u, v, 1), whose third number is its new depth, exactly. A camera that is
mounted higher is another matter: near things then move by more pixels than far ones, and what they hid comes into
sight; that would need the depth of every pixel, and only a few have a label.

Labels are points. They are moved and drawn; no depth is ever mixed of two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from depth_node.estimator import resized
from msg_tools.camera import Array, Intrinsics, Size

from .labels import Labelled

PLAIN = 0.5  # share of views at the canonical focal length and upright, as the network will be used
RARE = 0.1  # share of images that become grey, blurred or noisy, each
AHEAD = 0.01  # smaller than the cosine of the angle to the optical axis: behind the tilted camera, or as good as


@dataclass(frozen=True, slots=True)
class View:
    """How the network looks at a frame: a window (top, left, window) [px] of the camera, resized to `size`, mirrored.

    A tilted view turns the camera by pitch about its x axis, then by roll about its optical axis.
    """

    top: int
    left: int
    window: Size
    size: Size
    flip: bool = False
    pitch_deg: float = 0.0
    roll_deg: float = 0.0

    def on(self, camera: Size, kept: Size) -> View:
        """Return this view of a camera's image that is kept at another size, its window in that one's whole pixels."""
        if kept == camera:
            return self
        sy, sx = kept.height / camera.height, kept.width / camera.width
        window = Size(max(1, round(self.window.height * sy)), max(1, round(self.window.width * sx)))
        top = min(round(self.top * sy), kept.height - window.height)
        left = min(round(self.left * sx), kept.width - window.width)
        return replace(self, top=top, left=left, window=window)

    @property
    def rotation(self) -> Array:
        """Return R (3, 3): a point of the camera as the tilted one sees it."""
        (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in np.radians((self.pitch_deg, self.roll_deg)))
        pitch = np.array([[1.0, 0.0, 0.0], [0.0, cp, -sp], [0.0, sp, cp]])
        return np.array([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]]) @ pitch


@dataclass(frozen=True, slots=True)
class Sample:
    """rgb uint8 (h, w, 3), target (h/2, w/2) [m, canonical; 0 none, +Inf beyond range], weight (h/2, w/2)."""

    rgb: Array
    target: Array
    weight: Array


def random_view(camera: Intrinsics, size: Size, focal_px: float, rng: np.random.Generator, min_zoom: float = 1.0,
                max_zoom: float = 1.3, max_tilt_deg: float = 0.0) -> View:
    """Draw a view of this size [px]: half of them plain, others zoomed and tilted by up to these.

    At zoom 1 the focal length is focal_px. An image too small for a zoom is enlarged until it covers the window.
    """
    covers = max(size.width / camera.size.width * camera.fx, size.height / camera.size.height * camera.fy) / focal_px
    zooms = np.log(np.maximum((min_zoom, max(min_zoom, max_zoom)), covers))
    zoom = float(np.exp(rng.uniform(*zooms)))
    pitch, roll = rng.uniform(-max_tilt_deg, max_tilt_deg, 2).tolist()
    if rng.random() < PLAIN:
        zoom, pitch, roll = max(1.0, covers), 0.0, 0.0
    window = resized_to(camera, focal_px * zoom, size)
    top = int(rng.integers(camera.size.height - window.height + 1))
    left = int(rng.integers(camera.size.width - window.width + 1))
    return View(top, left, window, size, bool(rng.random() < 0.5), pitch, roll)


def resized_to(camera: Intrinsics, focal_px: float, size: Size) -> Size:
    """Return the window of the camera [px] that, resized to `size`, has this focal length; no larger than its image."""
    height, width = size.height * camera.fy / focal_px, size.width * camera.fx / focal_px
    return Size(min(camera.size.height, max(1, round(height))), min(camera.size.width, max(1, round(width))))


def sample(frame: Labelled, view: View, focal_px: float) -> Sample:
    """Make input and target of a frame as seen in a view, for a network whose canonical focal length is focal_px."""
    kept = Size(*frame.rgb.shape[:2])
    camera = frame.camera.resized(kept)
    view = view.on(frame.camera.size, kept)
    seen = camera.cropped(view.top, view.left, view.window).resized(view.size)
    rgb = look(frame.rgb, camera, view, seen)
    target, weight = draw(frame, seen.K @ view.rotation @ np.linalg.inv(frame.camera.K), view.size)
    target *= np.float32(focal_px / seen.focal_px)
    if view.flip:
        rgb, target, weight = (cv2.flip(part, 1) for part in (rgb, target, weight))
    return Sample(rgb, target, weight)


def look(rgb: Array, camera: Intrinsics, view: View, seen: Intrinsics) -> Array:
    """Return what the camera `seen` of a view sees of a camera's image; where that has no pixel, its nearest."""
    if not (view.pitch_deg or view.roll_deg):
        rgb = rgb[view.top : view.top + view.window.height, view.left : view.left + view.window.width]
        return resized(rgb, view.size)  # as at inference
    while camera.focal_px >= 1.5 * seen.focal_px:  # the warp takes one pixel in so many
        half = Size(camera.size.height // 2, camera.size.width // 2)
        even = Size(2 * half.height, 2 * half.width)
        rgb = cv2.resize(rgb[: even.height, : even.width], (half.width, half.height), interpolation=cv2.INTER_AREA)
        camera = camera.cropped(0, 0, even).resized(half)
    homography = seen.K @ view.rotation @ np.linalg.inv(camera.K)
    return cv2.warpPerspective(rgb, homography, (view.size.width, view.size.height), flags=cv2.INTER_LINEAR,
                               borderMode=cv2.BORDER_REPLICATE)


def draw(frame: Labelled, homography: Array, size: Size) -> tuple[Array, Array]:
    """Draw labels, moved by a homography of pixels, at half this size: depth [m] and weight, 0 where none falls.

    The homography is K' R K^-1, so that the third number of a moved pixel is its depth over what it was. Labels come
    ordered, the last one wins; those that fall on one pixel lie on one ray, and a rotation keeps their order.
    """
    size = Size(size.height // 2, size.width // 2)
    to_cells = np.array([[0.5, 0.0, 0.25], [0.0, 0.5, 0.25], [0.0, 0.0, 1.0]])  # from pixel centres to cells' edges
    u, v = np.ascontiguousarray(frame.uv.T, np.float32)
    x, y, ahead = (a * u + b * v + c for a, b, c in (to_cells @ homography).astype(np.float32))
    ahead[ahead < AHEAD] = np.nan  # no comparison below holds
    x /= ahead
    y /= ahead
    inside = (x >= 0) & (x < size.width) & (y >= 0) & (y < size.height)
    index = y[inside].astype(np.intp) * size.width + x[inside].astype(np.intp)
    target, weight = np.zeros(size.pixels, np.float32), np.zeros(size.pixels, np.float32)
    target[index] = frame.depth_m[inside] * ahead[inside]
    weight[index] = frame.weight[inside]
    return target.reshape(size.shape), weight.reshape(size.shape)


def joined(left: Sample, right: Sample, column: int) -> Sample:
    """Put the left part of one sample beside the right part of another, cut at this even column: a street never seen.

    Both look ahead from the same height with the same focal length, so each part stays true (after Yun et al. 2019).
    """
    return Sample(*(np.concatenate([a[:, :cut], b[:, cut:]], 1) for a, b, cut in (
        (left.rgb, right.rgb, column), (left.target, right.target, column // 2),
        (left.weight, right.weight, column // 2))))


def jitter(rgb: Array, rng: np.random.Generator, strength: float = 0.3) -> Array:
    """Change colours (gain, contrast, gamma, balance) of an image uint8 (H, W, 3); now and then grey, blur, noise."""
    if strength <= 0:
        return rgb
    gain, gamma, contrast = np.exp(rng.uniform(-strength, strength, 3))
    balance = np.exp(rng.uniform(-strength / 3, strength / 3, 3))
    levels = np.arange(256, dtype=np.float32)[:, None] / 255
    table = np.power(np.clip(levels * gain * balance, 0, 1), gamma)
    table = np.clip((table - 0.5) * contrast + 0.5, 0, 1)
    rgb = cv2.LUT(rgb, np.rint(table * 255).astype(np.uint8)[None].reshape(256, 1, 3))
    grey, blurred, noisy = rng.random(3) < RARE
    if grey:  # such cameras exist
        rgb = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if blurred:
        rgb = cv2.GaussianBlur(rgb, (3, 3), rng.uniform(0.4, 1.2))
    if noisy:
        swing = int(rng.integers(2, 11))
        noise = rng.integers(0, 2 * swing + 1, rgb.shape, np.uint8)
        rgb = cv2.subtract(cv2.add(rgb, noise), np.full_like(rgb, swing))
    return rgb
