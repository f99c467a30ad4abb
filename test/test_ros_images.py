"""The node's image conversion: ours, then cv_bridge, then a clear error."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from depth_node.ros import images
from msg_tools.errors import ImageError

MESSAGE = {'height': 1, 'width': 2, 'step': 6, 'is_bigendian': 0, 'data': bytes(range(6))}


@pytest.fixture(autouse=True)
def fresh():
    images.cv_bridge.cache_clear()
    yield
    images.cv_bridge.cache_clear()


@pytest.fixture
def bridge(monkeypatch):
    """Install a stand-in for cv_bridge that knows one more encoding."""
    class CvBridge:
        def imgmsg_to_cv2(self, message, encoding):
            if message.encoding != 'future8':
                raise TypeError('unknown encoding')
            return encoding

    module = ModuleType('cv_bridge')
    module.CvBridge = CvBridge
    monkeypatch.setitem(sys.modules, 'cv_bridge', module)


def test_a_known_encoding_never_asks_cv_bridge(monkeypatch):
    monkeypatch.setattr(images, 'cv_bridge', lambda: pytest.fail('asked'))
    assert images.to_rgb(SimpleNamespace(encoding='rgb8', **MESSAGE)).tolist() == [[[0, 1, 2], [3, 4, 5]]]


@pytest.mark.usefixtures('bridge')
def test_cv_bridge_converts_what_ours_does_not_know():
    assert images.to_rgb(SimpleNamespace(encoding='future8', **MESSAGE)) == 'rgb8'


@pytest.mark.usefixtures('bridge')
def test_an_encoding_that_neither_knows_is_named():
    with pytest.raises(ImageError, match="'nonsense'"):
        images.to_rgb(SimpleNamespace(encoding='nonsense', **MESSAGE))


def test_without_cv_bridge_the_error_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    with pytest.raises(ImageError, match=r"got 'future8'; cv_bridge, .* not installed"):
        images.to_rgb(SimpleNamespace(encoding='future8', **MESSAGE))


def test_other_faults_of_an_image_are_not_given_to_cv_bridge(monkeypatch):
    monkeypatch.setattr(images, 'cv_bridge', lambda: pytest.fail('asked'))
    with pytest.raises(ImageError, match='expected 6 bytes'):
        images.to_rgb(SimpleNamespace(encoding='rgb8', **{**MESSAGE, 'data': b'abc'}))
