"""The TFLite reader on a model that the test builds, and on the real weights where they lie."""

import numpy as np
import pytest
import torch
from torch import nn

from depth_node.model import Encoder
from msg_tools.errors import CheckpointError

flatbuffers = pytest.importorskip('flatbuffers', reason="needs pip install 'depth_node[train]'")

from depth_node_training.pretrained import load_imagenet, read_filters  # noqa: E402 (imports flatbuffers)


def vector(builder, offsets):
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def table(builder, fields):
    """Write a table whose fields are {index: (kind, value)}."""
    builder.StartObject(max(fields) + 1)
    for index, (kind, value) in fields.items():
        {'table': builder.PrependUOffsetTRelativeSlot, 'int8': builder.PrependInt8Slot,
         'uint32': builder.PrependUint32Slot}[kind](index, value, 0)
    return builder.EndObject()


def tiny_tflite():
    """Make a model of one convolution OHWI (2, 1, 1, 3), zero point 10 and scale 0.5, and its bias, scale 0.25."""
    builder = flatbuffers.Builder(1024)
    weights, bias = np.arange(10, 16, dtype=np.uint8), np.array([4, -8], np.int32)
    data = [builder.CreateNumpyVector(array) for array in (weights, bias.view(np.uint8))]
    buffers = vector(builder, [table(builder, {0: ('table', item)}) for item in data])
    tensors = []
    for shape, dtype, buffer, zero, scale in (((2, 1, 1, 3), 3, 0, 10, 0.5), ((2,), 2, 1, 0, 0.25)):
        shape_at = builder.CreateNumpyVector(np.array(shape, np.int32))
        scales = builder.CreateNumpyVector(np.array([scale], np.float32))
        zeros = builder.CreateNumpyVector(np.array([zero], np.int64))
        quantisation = table(builder, {2: ('table', scales), 3: ('table', zeros)})
        tensors.append(table(builder, {0: ('table', shape_at), 1: ('int8', dtype), 2: ('uint32', buffer),
                                       4: ('table', quantisation)}))
    inputs = builder.CreateNumpyVector(np.array([0, 0, 1], np.int32))
    operators = vector(builder, [table(builder, {0: ('uint32', 0), 1: ('table', inputs)})])
    graph = table(builder, {0: ('table', vector(builder, tensors)), 3: ('table', operators)})
    codes = vector(builder, [table(builder, {0: ('int8', 3)})])
    model = table(builder, {1: ('table', codes), 2: ('table', vector(builder, [graph])), 4: ('table', buffers)})
    builder.Finish(model, file_identifier=b'TFL3')
    return bytes(builder.Output())


def test_filters_are_dequantised_and_reordered(tmp_path):
    (tmp_path / 'tiny.tflite').write_bytes(tiny_tflite())
    ((weight, bias),) = read_filters(tmp_path / 'tiny.tflite')
    assert weight.shape == (2, 3, 1, 1)
    assert weight.ravel().tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert bias.tolist() == [1.0, -2.0]


def test_convolutions_are_filled_in_order(tmp_path):
    (tmp_path / 'tiny.tflite').write_bytes(tiny_tflite())
    layer = nn.Sequential(nn.Conv2d(3, 2, 1))
    load_imagenet(layer, tmp_path / 'tiny.tflite')
    assert layer(torch.ones(1, 3, 1, 1)).flatten().tolist() == [0.0 + 0.5 + 1.0 + 1.0, 1.5 + 2.0 + 2.5 - 2.0]


def test_another_network(tmp_path):
    (tmp_path / 'tiny.tflite').write_bytes(tiny_tflite())
    with pytest.raises(CheckpointError, match=r'MobileNetV2.*\(2, 3, 1, 1\)'):
        load_imagenet(Encoder(), tmp_path / 'tiny.tflite')


@pytest.mark.parametrize('data', [b'', b'no model at all', tiny_tflite()[:100]])
def test_no_tflite(tmp_path, data):
    (tmp_path / 'bad.tflite').write_bytes(data)
    with pytest.raises(CheckpointError, match='TensorFlow Lite'):
        list(read_filters(tmp_path / 'bad.tflite'))


# means of the first 32 channels of the last block, as the TensorFlow Lite interpreter computes them in 8 bit
INTERPRETER = [3.44, -1.68, 0.41, 1.02, -2.14, 2.77, -2.33, -0.02, 0.34, -0.34, -0.63, -0.57, -1.7, 1.36, 0.62, 1.7,
               -1.73, -0.14, 0.47, -0.88, 0.36, 2.5, -2.14, 0.38, -0.15, 1.69, 0.86, -1.2, 0.88, 1.21, -1.41, -0.07]


def test_real_weights_give_the_interpreters_features(shared_data):
    path = shared_data.parent / 'weights' / 'mobilenet_v2_1.0_224_quant.tflite'
    if not path.exists():
        pytest.skip('no ImageNet weights beside the data')
    encoder = Encoder().eval()
    load_imagenet(encoder, path)
    v, u = np.mgrid[:224, :224]
    image = np.stack([u, v, (u * v) // 64 % 256]).astype(np.float32)
    with torch.no_grad():
        features = encoder(torch.from_numpy((image - 128) / 128)[None])[-1]
    means = features[0, :32].mean((1, 2)).numpy()
    assert np.corrcoef(means, INTERPRETER)[0, 1] > 0.97
