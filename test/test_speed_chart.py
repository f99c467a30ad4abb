"""Accuracy against time as a picture: what is better lies lower and further to the left."""

import re
from xml.etree import ElementTree

import pytest

from depth_node_training.speed_chart import main, read_points

TABLE = """group,name,time,change,spread
ours,ships,1.0,0.0,0.0
ours,half,0.5,0.01,0.004
ours,best & fast,0.5,-0.01,0.0
"""


def drawn(tmp_path, table):
    (tmp_path / 'in.csv').write_text(table)
    assert main([str(tmp_path / 'in.csv'), str(tmp_path / 'out.svg')]) == 0
    root = ElementTree.parse(tmp_path / 'out.svg').getroot()
    assert root.tag == '{http://www.w3.org/2000/svg}svg'  # a file of its own, not a part of a page
    dots = [item for item in root.iter('{http://www.w3.org/2000/svg}circle') if float(item.get('r')) == 4.5]
    return {item[0].text.partition(':')[0]: (float(item.get('cx')), float(item.get('cy'))) for item in dots}


def test_better_is_lower_and_faster_is_left(tmp_path):
    at = drawn(tmp_path, TABLE)
    assert at['half'][0] == at['best & fast'][0] < at['ships'][0]
    assert at['best & fast'][1] > at['ships'][1] > at['half'][1]  # rows of a picture count downwards


def test_all_of_it_is_within_the_picture(tmp_path):
    for x, y in drawn(tmp_path, TABLE).values():
        assert 0 < x < 900
        assert 0 < y < 520
    ends = re.findall(r'class="interval" x1="[\d.]+" y1="([\d.-]+)" x2="[\d.]+" y2="([\d.-]+)"',
                      (tmp_path / 'out.svg').read_text())
    assert len(ends) == 3
    assert all(0 < float(end) < 520 for pair in ends for end in pair)


@pytest.mark.parametrize('table', ['', 'group,name\na,b\n', TABLE + 'ours,odd,fast,0,0\n'])
def test_what_is_no_table_is_named(tmp_path, capsys, table):
    (tmp_path / 'in.csv').write_text(table)
    assert main([str(tmp_path / 'in.csv'), str(tmp_path / 'out.svg')]) == 1
    assert 'in.csv: expected rows' in capsys.readouterr().err


def test_names_do_not_cover_points_beside_them(tmp_path):
    drawn(tmp_path, TABLE + 'ours,beside,0.52,0.01,0.0\n')
    found = re.findall(r'text-anchor="(\w+)">(half|beside|ships)<', (tmp_path / 'out.svg').read_text())
    assert {name: anchor for anchor, name in found} == {'half': 'end', 'beside': 'start', 'ships': 'start'}


def test_rows_become_numbers(tmp_path):
    (tmp_path / 'in.csv').write_text(TABLE)
    assert [(item.name, item.time, item.change) for item in read_points(tmp_path / 'in.csv')][1] == ('half', 0.5, 0.01)
