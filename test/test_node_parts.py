"""What diagnostics say of made-up figures, and which QoS is taken for which publishers."""

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from depth_node.monitor import IDLE, SUPERSEDED, Snapshot, Spread
from depth_node.ros.diagnostics import Facts, describe, judge
from depth_node.ros.inputs import wanted_policies

pytestmark = pytest.mark.ros

OK, WARN, ERROR = b'\x00', b'\x01', b'\x02'
ACTIVE = Facts('active', image='/image (RELIABLE, VOLATILE; 1 publishers)', rectified='yes: because')


def frames(**changes):
    values = {'received': 10, 'published': 10, 'dropped': {}, 'received_hz': 10.0, 'published_hz': 9.96, 'stages': {},
              'silence_s': 0.1, 'last_error': ''}
    return Snapshot(**{**values, **changes})


def test_all_is_well_while_depth_flows():
    assert judge(ACTIVE, frames(), {}) == (OK, '10.0 depth images a second')


def test_silence_is_told_after_three_seconds_with_the_topic():
    assert judge(ACTIVE, frames(silence_s=2.9), {})[0] == OK
    level, text = judge(ACTIVE, frames(silence_s=3.6), {})
    assert level == WARN
    assert text.startswith('no image for 4 s on /image (RELIABLE')
    assert 'QoS' in text
    assert judge(ACTIVE, frames(silence_s=None), {})[1].startswith('no image yet on /image')


def test_drops_since_the_last_time_are_told_and_old_ones_are_not():
    dropped = {'bad image': 7, 'bad camera_info': 2}
    level, text = judge(ACTIVE, frames(dropped=dropped, last_error='ImageError: short'), {'bad image': 4})
    assert (level, text) == (WARN, '3 images dropped: bad image. ImageError: short')
    assert judge(ACTIVE, frames(dropped=dropped), dropped)[0] == OK


def test_newer_images_and_no_subscribers_are_no_reason_to_warn():
    assert judge(ACTIVE, frames(dropped={SUPERSEDED: 5}), {})[0] == OK
    assert judge(ACTIVE, frames(dropped={IDLE: 5}), {}) == (OK, 'idle: nobody subscribes')


def test_a_failure_an_uncalibrated_camera_and_the_state_are_told():
    assert judge(Facts('unconfigured', failure='configure failed: no weights'), frames(), {}) == (
        ERROR, 'configure failed: no weights')
    assert judge(Facts('inactive'), frames(silence_s=None), {}) == (OK, 'inactive')
    uncalibrated = Facts('active', rectified='uncalibrated: K[0] is 0', uncalibrated=True)
    assert judge(uncalibrated, frames(), {}) == (WARN, 'uncalibrated: K[0] is 0')


def test_ages_on_another_clock_are_called_so():
    stages = {'receive age': Spread(*[4e11] * 4), 'infer': Spread(20.0, 21.0, 22.0, 23.0)}
    values = describe(ACTIVE, frames(stages=stages, dropped={'bad image': 3}))
    assert 'use_sim_time' in values['receive age p50 / p90 / p99 / max [ms]']
    assert values['infer p50 / p90 / p99 / max [ms]'] == '20.0 / 21.0 / 22.0 / 23.0'
    assert values['dropped: bad image'] == '3'
    assert 'last error' not in values  # empty ones are left out


def offers(reliability, durability='VOLATILE'):
    qos = SimpleNamespace(reliability=ReliabilityPolicy[reliability], durability=DurabilityPolicy[durability])
    return SimpleNamespace(qos_profile=qos)


@pytest.mark.parametrize(('publishers', 'wish', 'expected'), [
    ([], 'auto', 'BEST_EFFORT VOLATILE'),
    ([offers('RELIABLE')], 'auto', 'RELIABLE VOLATILE'),
    ([offers('BEST_EFFORT')], 'auto', 'BEST_EFFORT VOLATILE'),
    ([offers('RELIABLE'), offers('BEST_EFFORT')], 'auto', 'BEST_EFFORT VOLATILE'),
    ([offers('RELIABLE', 'TRANSIENT_LOCAL')], 'auto', 'RELIABLE TRANSIENT_LOCAL'),
    ([offers('RELIABLE', 'TRANSIENT_LOCAL'), offers('RELIABLE')], 'auto', 'RELIABLE VOLATILE'),
    ([offers('RELIABLE')], 'best_effort', 'BEST_EFFORT VOLATILE'),
    ([], 'reliable', 'RELIABLE VOLATILE'),
])
def test_a_subscription_asks_for_what_every_publisher_offers(publishers, wish, expected):
    assert ' '.join(policy.name for policy in wanted_policies(publishers, wish)) == expected
