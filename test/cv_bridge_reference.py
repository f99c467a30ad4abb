"""Run ROS's cv_bridge on images in a .npz and write what it makes of them, in whatever Python has cv_bridge.

Usage: python cv_bridge_reference.py IN.npz OUT.npz. IN has `NAME/encoding`, `NAME/pixels` (H, W[, C]) and
`NAME/is_bigendian` for every case, or `NAME/format` and `NAME/bytes`; OUT has `NAME/array` (passthrough), `NAME/rgb`
and `NAME/data` (of cv2_to_imgmsg) where cv_bridge makes them, and `NAME/error` where it does not.
"""

import sys
from types import SimpleNamespace

import numpy as np
from cv_bridge import CvBridge


def main(source, target):
    cases = np.load(source)
    results = {}
    for name in sorted({key.rsplit('/', 1)[0] for key in cases.files}):
        case = {key.rsplit('/', 1)[1]: cases[key] for key in cases.files if key.rsplit('/', 1)[0] == name}
        results.update({f'{name}/{key}': value for key, value in convert(case).items()})
    np.savez(target, **results)


def convert(case):
    bridge, result = CvBridge(), {}
    if 'format' in case:
        msg = SimpleNamespace(format=str(case['format']), data=case['bytes'].tobytes())
        return {'rgb': bridge.compressed_imgmsg_to_cv2(msg, 'rgb8')}
    encoding, pixels = str(case['encoding']), case['pixels']
    steps = {
        'array': lambda: bridge.imgmsg_to_cv2(image(case)),
        'rgb': lambda: bridge.imgmsg_to_cv2(image(case), 'rgb8'),
        'data': lambda: np.frombuffer(bytes(bridge.cv2_to_imgmsg(pixels, encoding).data), np.uint8),
    }
    for key, step in steps.items():
        try:
            result[key] = step()
        except Exception as error:
            result['error'] = np.array(f'{key}: {error}')
    return result


def image(case):
    pixels = case['pixels']
    data = (pixels.byteswap() if case['is_bigendian'] else pixels).tobytes()
    height, width = pixels.shape[:2]
    return SimpleNamespace(height=height, width=width, encoding=str(case['encoding']), step=len(data) // height,
                           is_bigendian=int(case['is_bigendian']), data=data)


if __name__ == '__main__':
    main(*sys.argv[1:])
