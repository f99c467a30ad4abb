"""depth_eval --views: the same scene resized and cropped, compared on the pixels of the whole image."""

import json

import numpy as np
import pytest

from depth_node_training.baselines import flat_ground
from depth_node_training.evaluate import difference
from depth_node_training.evaluate import main as depth_eval
from depth_node_training.evaluate_data import Measured
from depth_node_training.evaluate_predictors import Prediction
from depth_node_training.evaluate_scores import Scores
from depth_node_training.evaluate_views import cropped_view, last_kept, lower, middle, views
from depth_node_training.metrics import Protocol
from msg_tools.camera import Intrinsics, Size

CAMERA = Intrinsics(100.0, 100.0, 40.0, 12.0, Size(40, 80))


def frame():
    truth = flat_ground(1.65)(np.zeros(0), CAMERA)
    return Measured('drive', 'a', truth.astype(np.float32), np.zeros((40, 80, 3), np.uint8), CAMERA)


def by_intrinsics(measured):
    """A network that knows a flat ground, from the intrinsics that it is given, and nothing else."""
    depth_m = flat_ground(1.65)(np.zeros(0), measured.camera).astype(np.float32)
    assert depth_m.shape == measured.rgb.shape[:2]
    return Prediction(depth_m, np.ones_like(depth_m))


def by_rows(measured):
    """A network that knows its usual view's rows, whatever the intrinsics."""
    rows = np.arange(measured.rgb.shape[0], dtype=np.float32)[:, None]
    return Prediction(np.repeat(60 - rows, measured.rgb.shape[1], 1))


def ground_error(prediction):
    truth = frame().truth_m
    where = (truth < 80) & np.isfinite(prediction.depth_m)
    return float(np.median(np.abs(prediction.depth_m[where] / truth[where] - 1)))


@pytest.mark.parametrize('name', list(views(by_intrinsics, by_intrinsics)))
def test_metres_hold_in_every_view_for_who_reads_the_intrinsics(name):
    assert ground_error(views(by_intrinsics, by_intrinsics)[name](frame())) < 0.02


def test_who_ignores_them_is_found_out():
    whole = ground_error(by_rows(frame()))
    assert ground_error(views(by_rows, by_rows)['height 0.8'](frame())) > 1.05 * whole


@pytest.mark.parametrize('window_of', [middle, lower])
def test_around_a_crop_is_no_estimate_and_no_confidence(window_of):
    window = window_of(CAMERA.size)
    found = cropped_view(by_intrinsics, window_of)(frame())
    inside = np.zeros(CAMERA.size.shape, bool)
    inside[window.index] = True
    assert np.array_equal(np.isfinite(found.depth_m) | (found.depth_m == np.inf), inside)
    assert np.array_equal(found.confidence, inside.astype(np.float32))


def test_crops_stand_beside_the_whole_image_on_the_same_pixels():
    found = views(by_intrinsics, by_intrinsics)
    crop, whole = found['width 0.6'](frame()), found['width 0.6, whole'](frame())
    assert np.array_equal(np.isnan(crop.depth_m), np.isnan(whole.depth_m))


def test_the_whole_image_is_looked_at_once():
    seen = []

    def network(measured):
        seen.append(measured.rgb.shape)
        return by_intrinsics(measured)

    whole, two_frames = last_kept(network), (frame(), frame())
    for measured in two_frames:
        for predictor in (whole, *views(network, whole).values()):
            predictor(measured)
    assert seen.count((40, 80, 3)) == 2
    assert len(seen) == 2 * 5


def test_a_crop_is_compared_with_the_whole_on_its_own_pixels():
    """Right in the middle of the image and twice too far at its left: nothing differs on the crop's pixels."""

    def network(measured):
        depth_m = by_intrinsics(measured).depth_m
        if measured.camera == CAMERA:
            depth_m[:, :16] *= 2
        return Prediction(depth_m)

    measured, scores = frame(), {}
    for name, predictor in {'prediction': network, **views(network, network)}.items():
        scores[name] = Scores(draws=0)
        scores[name].add('', 'a', measured.truth_m, predictor(measured), Protocol('none'))
    assert scores['prediction'].difference(scores['width 0.6'])['abs_rel'][0] > 0.1
    assert difference(scores, 'width 0.6')['abs_rel'][0] == pytest.approx(0.0, abs=1e-6)
    assert difference(scores, 'width 0.6, whole') == {}
    assert difference(scores, 'scale 0.7')['abs_rel'][0] > 0.1


def test_the_command_prints_a_row_for_each_view(street_images, capsys):
    data = f'images:{street_images / "images"}#val'
    assert depth_eval(['--checkpoint', 'default', '--data', data, '--crop', 'none', '--views', '--draws', '0',
                       '--json']) == 0
    found = json.loads(capsys.readouterr().out)['baselines']
    assert set(views(by_intrinsics, by_intrinsics)) < set(found)
    assert found['width 0.6']['coverage'] == pytest.approx(0.6, abs=0.02)
    assert depth_eval(['--pred', str(street_images), '--data', data, '--views']) == 1
    assert '--views: expected --checkpoint' in capsys.readouterr().err
