"""int8 for OpenVINO: quantisation after training by NNCF, calibrated on images that the network is to see.

What pays was chosen by error on KITTI's val drives (docs/speed-precision.md). Weights have a scale for each channel,
which the encoder's depthwise layers cannot do without, and in the other layers 7 bits: a CPU without VNNI adds two
products in 16, and clips them where weights have 8, so that a sky comes nearer. The heads stay float. Ranges are those
of all images, not the mean of each one's: a sky is farther than most of an image. The bias of each layer is corrected
by what the layers before it really give, which takes most of the time and is worth it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from depth_node.model_config import ModelConfig
from depth_node.plan import make_plan, network_input
from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.errors import BackendError
from msg_tools.image_file import read_rgb

from .export_check import spread

ENOUGH = 64  # images: more give nothing


def calibration_inputs(files: Sequence[Path], focal_px: float | None, model: ModelConfig,
                       fixed: Size | None) -> list[Array]:
    """Read images and resize each as the estimator does, uint8 (1, h, w, 3); of many, some from all over the list.

    focal_px is that of the images; None: they have the field of view of the training. Raises ImageError where a file is
    no image.
    """
    return [calibration_input(read_rgb(file), focal_px, model, fixed)[None] for file in spread(files, ENOUGH)]


def calibration_input(rgb: Array, focal_px: float | None, model: ModelConfig, fixed: Size | None) -> Array:
    """Resize an image uint8 (H, W, 3) as the estimator does for a pinhole of this focal length."""
    size = Size(*rgb.shape[:2])
    focal = focal_px or model.focal_px * size.width / model.width
    camera = Intrinsics(focal, focal, (size.width - 1) / 2, (size.height - 1) / 2, size)
    return network_input(rgb, make_plan(size, camera, model, fixed))


def quantised(graph: Any, inputs: Sequence[Array]) -> Any:
    """Return an OpenVINO graph whose layers compute in int8, but for the heads; raises BackendError."""
    nncf = library()
    whole_range = nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX
    advanced = nncf.AdvancedQuantizationParameters(
        overflow_fix=nncf.OverflowFix.ENABLE, activations_range_estimator_params=whole_range)
    try:
        with progress():
            return nncf.quantize(
                graph, nncf.Dataset(inputs), subset_size=len(inputs), target_device=nncf.TargetDevice.CPU,
                fast_bias_correction=False, ignored_scope=nncf.IgnoredScope(names=heads(graph)),
                advanced_parameters=advanced)
    except Exception as error:  # it raises whatever it and OpenVINO like
        raise BackendError(f'NNCF {nncf.__version__} cannot quantise this network: {error}') from error


def library() -> Any:
    """Import NNCF; raises BackendError where it is not installed."""
    from depth_node.backends import openvino_backend  # noqa: F401  which keeps NNCF, too, from telling anybody

    try:
        import nncf
    except ImportError as error:
        raise BackendError(f"expected NNCF for int8, got: {error}; install it: pip install 'depth_node[int8]'"
                           ) from error
    logging.getLogger('nncf').setLevel(logging.ERROR)  # its own function would set handlers that others share, too
    return nncf


def heads(graph: Any) -> list[str]:
    """Return the names of the convolutions that no other one follows: theirs is what the network says."""
    found, nodes = set(), [result.input_value(0).get_node() for result in graph.get_results()]
    while nodes:
        node = nodes.pop()
        if 'Convolution' in node.get_type_name():
            found.add(node.get_friendly_name())
        else:
            nodes += [value.get_node() for value in node.input_values()]
    return sorted(found)


@contextlib.contextmanager
def progress() -> Iterator[None]:
    """Let NNCF, which draws its bars on stdout, draw them on stderr where that is a terminal, and nowhere else."""
    with contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else io.StringIO()):
        yield
