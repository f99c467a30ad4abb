"""Frames: hand-made chains, interpolation, and what is said of frames that are not there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from msg_tools.bag import BagReader
from msg_tools.bag_writer import BagWriter
from msg_tools.errors import CalibrationError
from msg_tools.ros_messages import message, transform
from msg_tools.rotation import between, inverse, quaternion_of, rotation_of
from msg_tools.tf import TfTree

HALF = np.sqrt(0.5)
LEFT_TURN = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # a quarter about z


def shift(x: float, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    T = np.eye(4)
    T[:3, 3] = x, y, z
    return T


@pytest.mark.parametrize(('quaternion', 'x_axis_goes_to'), [
    ([0, 0, 0, 1], [1, 0, 0]), ([0, 0, HALF, HALF], [0, 1, 0]), ([0, 0, 1, 0], [-1, 0, 0]),
    ([0, HALF, 0, HALF], [0, 0, -1]), ([1, 0, 0, 0], [1, 0, 0]), ([0, 0, 2, 2], [0, 1, 0]),
])
def test_quaternions_by_hand(quaternion, x_axis_goes_to):
    assert np.allclose(rotation_of(np.array(quaternion, float))[:, 0], x_axis_goes_to, atol=1e-15)


@pytest.mark.parametrize('quaternion', [[0.0, 0, 0, 0], [np.nan, 0, 0, 1]])
def test_no_rotation_is_an_error(quaternion):
    with pytest.raises(CalibrationError, match='expected a rotation'):
        rotation_of(np.array(quaternion))


quaternions = arrays(float, 4, elements=st.floats(-1, 1)).filter(lambda q: np.linalg.norm(q) > 1e-3)


@given(quaternions)
def test_a_rotation_survives_as_a_quaternion(q):
    R = rotation_of(q)
    assert np.allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert np.allclose(rotation_of(quaternion_of(R)), R, atol=1e-12)
    assert quaternion_of(R)[3] >= 0


def test_half_turns_have_no_w_to_divide_by():
    for axis in np.eye(3):
        R = 2 * np.outer(axis, axis) - np.eye(3)
        assert np.allclose(np.abs(quaternion_of(R)), [*axis, 0])


def test_a_point_through_a_chain():  # the laser, 2 m up on base, sees a point 1 m ahead of it
    tree = TfTree()
    tree.add('world', 'base', LEFT_TURN)
    tree.add('base', 'laser', shift(0, 0, 2))
    assert np.allclose(tree.lookup('base', 'laser') @ [1, 0, 0, 1], [1, 0, 2, 1])
    assert np.allclose(tree.lookup('world', 'laser') @ [1, 0, 0, 1], [0, 1, 2, 1])
    assert np.allclose(tree.lookup('laser', 'world') @ [0, 1, 2, 1], [1, 0, 0, 1])


def test_siblings_meet_at_their_parent():
    tree = TfTree()
    tree.add('velo', 'left', shift(1))
    tree.add('velo', 'right', shift(1, -0.5))
    assert np.allclose(tree.lookup('left', 'right'), shift(0, -0.5))


def test_a_frame_in_itself():
    tree = TfTree()
    tree.add('a', 'b', shift(1))
    assert np.array_equal(tree.lookup('b', 'b'), np.eye(4))


def test_names_with_and_without_the_slash_of_ros1_are_one():
    tree = TfTree()
    tree.add('/a', 'b', shift(3))
    assert tree.frames == ['a', 'b']
    assert tree.lookup('a', '/b')[0, 3] == 3


def test_between_two_samples():
    tree = TfTree()
    tree.add('world', 'car', shift(20), 200)
    tree.add('world', 'car', shift(10) @ LEFT_TURN, 100)  # out of order
    assert np.allclose(tree.lookup('world', 'car', 100), shift(10) @ LEFT_TURN)
    middle = tree.lookup('world', 'car', 150)
    assert np.allclose(middle[:3, 3], [15, 0, 0])
    assert np.allclose(middle[:2, 0], [HALF, HALF])  # 45 degrees
    assert np.allclose(tree.lookup('world', 'car'), shift(20))  # the newest


def test_stamps_of_1e18_ns_keep_their_last_digit():
    tree = TfTree()
    first = 1_317_042_272_345_808_896
    tree.add('world', 'car', shift(0), first)
    tree.add('world', 'car', shift(10), first + 10)
    assert np.isclose(tree.lookup('world', 'car', first + 3)[0, 3], 3)


@pytest.mark.parametrize('stamp_ns', [99, 201])
def test_outside_the_samples_is_an_error(stamp_ns):
    tree = TfTree()
    tree.add('world', 'car', shift(1), 100)
    tree.add('world', 'car', shift(2), 200)
    with pytest.raises(CalibrationError, match=r"'car' in 'world' at \d+ ns, got it from 100 to 200"):
        tree.lookup('world', 'car', stamp_ns)


@settings(max_examples=50)
@given(quaternions, quaternions, st.floats(0, 1))
def test_interpolation_is_rigid_and_turns_evenly(q0, q1, share):
    T0, T1 = shift(1), shift(2)
    T0[:3, :3], T1[:3, :3] = rotation_of(q0), rotation_of(q1)
    T = between(T0, T1, share)
    assert np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-9)
    angle = lambda R: np.arccos(np.clip((np.trace(R) - 1) / 2, -1, 1))  # noqa: E731
    assert np.isclose(angle(T0[:3, :3].T @ T[:3, :3]), share * angle(T0[:3, :3].T @ T1[:3, :3]), atol=1e-6)


@given(quaternions, arrays(float, 3, elements=st.floats(-100, 100)))
def test_inverse(q, t):
    T = shift(*t)
    T[:3, :3] = rotation_of(q)
    assert np.allclose(inverse(T) @ T, np.eye(4), atol=1e-9)


def test_an_unknown_frame_is_told_with_the_known():
    tree = TfTree()
    tree.add('base_link', 'velo_link', np.eye(4))
    with pytest.raises(CalibrationError, match=r"got 'camera'; the frames are base_link, velo_link"):
        tree.lookup('camera', 'velo_link')


def test_no_frames_at_all():
    with pytest.raises(CalibrationError, match='the frames are none'):
        TfTree().lookup('a', 'b')


def test_two_trees_are_not_connected():
    tree = TfTree()
    tree.add('a', 'b', np.eye(4))
    tree.add('c', 'd', np.eye(4))
    with pytest.raises(CalibrationError, match='two trees'):
        tree.lookup('b', 'd')


def test_a_loop_is_an_error_and_no_endless_search():
    tree = TfTree()
    tree.add('a', 'b', np.eye(4))
    tree.add('b', 'a', np.eye(4))
    with pytest.raises(CalibrationError, match='loop'):
        tree.lookup('a', 'b')


@pytest.mark.parametrize('T', [np.eye(3), np.full((4, 4), np.nan)])
def test_what_is_no_transform(T):
    with pytest.raises(CalibrationError, match='finite transform'):
        TfTree().add('a', 'b', T)


@pytest.mark.parametrize('namespace', ['', '/car1'])
def test_a_tree_from_a_bag(tmp_path, namespace):
    with BagWriter(tmp_path / 'bag') as bag:
        static = transform(5, 'base', 'laser', shift(0, 0, 2))
        bag.write(f'{namespace}/tf_static', 5, message('tf2_msgs/TFMessage', transforms=[static]), latched=True)
        for stamp_ns, x in ((100, 1.0), (200, 3.0)):
            moving = transform(stamp_ns, 'world', 'base', shift(x) @ LEFT_TURN)
            bag.write(f'{namespace}/tf', stamp_ns, message('tf2_msgs/TFMessage', transforms=[moving]))
    with BagReader(tmp_path / 'bag') as bag:
        tree = TfTree.from_bag(bag)
    assert tree.frames == ['base', 'laser', 'world']
    assert np.allclose(tree.lookup('world', 'laser', 150), shift(2, 0, 2) @ LEFT_TURN)


def test_two_turtles_of_a_real_ros1_bag(shared_data):
    with BagReader(shared_data / 'bags/example-lz4.bag') as bag:
        tree = TfTree.from_bag(bag)
        middle_ns = (bag.start_ns + bag.end_ns) // 2
    assert tree.frames == ['carrot', 'turtle1', 'turtle2', 'world']
    T = tree.lookup('turtle1', 'turtle2', middle_ns)
    assert np.allclose(T @ tree.lookup('turtle2', 'turtle1', middle_ns), np.eye(4))
    assert np.allclose(T, tree.lookup('turtle1', 'world', middle_ns) @ tree.lookup('world', 'turtle2', middle_ns))
