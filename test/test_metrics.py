import math

import numpy as np
import pytest

from depth_node_training.metrics import (
    NAMES,
    Protocol,
    bin_errors,
    by_drive,
    compute_errors,
    crop_mask,
    image_errors,
    mean_errors,
)
from msg_tools.camera import Size

KITTI = Size(375, 1242)


def test_by_hand():
    """10 m seen as 11 and 9."""
    errors = compute_errors(np.array([10.0, 10.0]), np.array([11.0, 9.0]))
    assert tuple(errors) == NAMES
    assert errors['abs_rel'] == pytest.approx(0.1)
    assert errors['sq_rel'] == pytest.approx(0.1)
    assert errors['rmse_m'] == pytest.approx(1.0)
    assert errors['rmse_log'] == pytest.approx(math.sqrt((math.log(1.1) ** 2 + math.log(0.9) ** 2) / 2))
    assert errors['silog'] == pytest.approx(100 * (math.log(1.1) - math.log(0.9)) / 2)
    assert errors['delta1'] == 1.0


def test_deltas_by_hand():
    errors = compute_errors(np.full(4, 10.0), np.array([12.4, 12.6, 10.0 / 1.6, 20.0]))
    assert [errors[f'delta{i}'] for i in (1, 2, 3)] == [0.25, 0.5, 0.75]


def test_a_common_factor_costs_no_silog():
    gt = np.array([3.0, 10.0, 40.0])
    assert compute_errors(gt, 1.3 * gt)['silog'] == pytest.approx(0.0, abs=1e-9)


# What monodepth2's evaluate_depth.py (crop, limits, compute_errors) and BTS's bts_eval.py and bts_main.py returned for
# the arrays of `peer_maps`; beside them how many pixels lie in the crop, and how many of those count.
WHOLE_FRAME = {  # both repositories, silog BTS's alone
    'abs_rel': 0.34348477977664543, 'sq_rel': 5.943362991914004, 'rmse_m': 17.221644747028915,
    'rmse_log': 0.493754176323742, 'silog': 44.169718238774976,
    'delta1': 0.3234802007808143, 'delta2': 0.5883063766499349, 'delta3': 0.7922476296709425,
}
BTS_IN_TRAINING = {
    'abs_rel': 0.34374346238536113, 'sq_rel': 5.941205951914588, 'rmse_m': 17.20797415744769,
    'rmse_log': 0.49382433989730473, 'silog': 44.21870597376437,
    'delta1': 0.32387849527258095, 'delta2': 0.5875075437537719, 'delta3': 0.7913900623616978,
}


def peer_maps():
    """Return sparse truth and a prediction of KITTI's size, the same on every machine."""
    rng = np.random.default_rng(20)
    gt = np.where(rng.random((375, 1242)) < 0.05, 2 + 90 * rng.random((375, 1242)), 0.0)
    return gt, np.where(gt > 0, gt, 10) * np.exp(1.6 * rng.random((375, 1242)) - 1)


@pytest.mark.parametrize(('crop', 'in_crop', 'counted', 'peer'), [
    ('garg', 251354, 10758, WHOLE_FRAME), ('garg_kb', 232574, 9942, BTS_IN_TRAINING),
])
def test_same_as_monodepth2_and_bts(crop, in_crop, counted, peer):
    gt, pred = peer_maps()
    protocol = Protocol(crop)
    assert crop_mask(KITTI, crop).sum() == in_crop
    assert protocol.wanted(gt).sum() == counted
    errors = image_errors(gt, pred, protocol)
    for name, value in peer.items():
        assert errors[name] == pytest.approx(value, rel=1e-9), name


def test_no_pixel_is_no_number():
    assert all(math.isnan(value) for value in compute_errors(np.zeros(0), np.zeros(0)).values())


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r'one shape, got truth \(2,\) and prediction \(3,\)'):
        compute_errors(np.ones(2), np.ones(3))


def test_garg_crop_on_the_frame():
    rows, columns = np.nonzero(crop_mask(KITTI, 'garg'))
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (153, 371, 44, 1197)


def test_garg_crop_on_the_kb_crop():
    rows, columns = np.nonzero(crop_mask(KITTI, 'garg_kb'))
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (166, 372, 56, 1185)


def test_crop_none_is_everything():
    assert crop_mask(KITTI, 'none').all()


def test_kb_crop_of_a_small_image_stays_inside():
    assert crop_mask(Size(100, 200), 'garg_kb').any()


def test_unknown_crop():
    with pytest.raises(ValueError, match="garg_kb, got 'eigen'"):
        crop_mask(KITTI, 'eigen')


def test_only_measured_pixels_in_range_count():
    gt = np.array([[10.0, 0.0, 90.0, 20.0]])
    pred = np.array([[11.0, 5.0, 5.0, 22.0]])
    assert image_errors(gt, pred, Protocol('none'))['abs_rel'] == pytest.approx(0.1)
    assert image_errors(gt, pred, Protocol('none', max_depth_m=15.0))['rmse_m'] == pytest.approx(1.0)


def test_far_counts_as_the_range_and_no_estimate_lowers_the_coverage():
    gt = np.array([[40.0, 10.0, 10.0, 10.0]])
    pred = np.array([[np.inf, 10.0, np.nan, 0.0]])
    errors = image_errors(gt, pred, Protocol('none'))
    assert errors['coverage'] == 0.5
    assert errors['abs_rel'] == pytest.approx((40.0 / 40.0 + 0.0) / 2)


def test_truth_of_zero_everywhere_is_left_out_of_the_mean():
    nothing = image_errors(np.zeros((4, 4)), np.ones((4, 4)), Protocol('none'))
    something = image_errors(np.full((4, 4), 10.0), np.full((4, 4), 12.0), Protocol('none'))
    assert mean_errors([nothing, something])['abs_rel'] == pytest.approx(0.2)
    assert mean_errors([nothing]) == {}


def test_each_drive_counts_once():
    """Three images of one drive at 0.1 and one of another at 0.3: 0.2, not 0.15."""
    rows = [image_errors(np.full((2, 2), 10.0), np.full((2, 2), 10.0 * factor), Protocol('none'))
            for factor in (1.1, 1.1, 1.1, 1.3)]
    drives = by_drive(['a', 'a', 'a', 'b'], rows)
    assert mean_errors(drives.values())['abs_rel'] == pytest.approx(0.2)


def test_bins_by_hand():
    """5 m seen as 6, 15 m as 30: 0.2 up to 10 m, 1.0 from there to 20 m, and nothing farther."""
    found = bin_errors(np.array([5.0, 5.0, 5.0, 15.0]), np.array([6.0, 6.0, 6.0, 30.0]))
    assert found['abs_rel 0-10'] == pytest.approx(0.2)
    assert found['share 0-10'] == 0.75
    assert found['rmse_m 10-20'] == pytest.approx(15.0)
    assert found['delta1 10-20'] == 0.0
    assert found['share 20-40'] == 0.0
    assert math.isnan(found['abs_rel 40-80'])


def test_a_bin_ends_where_it_says():
    found = bin_errors(np.array([10.0, 80.0]), np.array([10.0, 80.0]))
    assert (found['share 0-10'], found['share 10-20'], found['share 40-80']) == (0.5, 0.0, 0.5)


def test_a_frame_without_any_estimate_lowers_the_coverage_of_the_mean():
    gt = np.full((4, 4), 10.0)
    rows = [image_errors(gt, pred, Protocol('none')) for pred in (np.full((4, 4), 11.0), np.full((4, 4), np.nan))]
    assert mean_errors(rows)['coverage'] == 0.5
    assert mean_errors(rows)['abs_rel'] == pytest.approx(0.1)


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_any_float_will_do(dtype):
    errors = image_errors(np.full((2, 2), 10, dtype), np.full((2, 2), 11, dtype), Protocol('none'))
    assert errors['abs_rel'] == pytest.approx(0.1)
