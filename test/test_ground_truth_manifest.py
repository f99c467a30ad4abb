"""The manifest: its columns, what comes back of it as CSV and Parquet, its journal, and what the whole set tells."""

import json
from dataclasses import replace

import numpy as np
import pytest

from msg_tools.errors import DepthNodeError
from msg_tools.ground_truth.journal import Journal, read_journal
from msg_tools.ground_truth.manifest import NAMES, Row, column_types, read_manifest, require_format, write_manifest
from msg_tools.ground_truth.records import Records

ROW = Row('0000000040', '/data/drive', 40, 1317042276476937216, 1317042276466424567, 10.513, x_m=1.25, qw=1.0,
          points=122691, pixels=20243, coverage=0.04346, turn_deg=360.0, lowest_deg=-23.65, png_bytes=62927,
          facts={'kept_share': 0.75, 'agreed': 'scan', 'scans': 11}, settings='5332e65d0364', version='0.1.0')
FAILED = Row('0000000041', '/data/drive', 41, status='failed', reason='expected a scan, got none, "alas"')


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / 'journal.jsonl')


def test_facts_of_all_rows_are_columns_before_the_status():
    other = replace(ROW, facts={'scans': 3, 'occluded': 12})
    names = list(column_types([ROW, FAILED, other]))
    assert names[names.index('png_bytes') + 1 : names.index('status')] == ['kept_share', 'agreed', 'scans', 'occluded']
    assert set(NAMES) < set(names)


@pytest.mark.parametrize('suffix', ['csv', 'parquet'])
def test_rows_come_back(tmp_path, suffix):
    if suffix == 'parquet':
        pytest.importorskip('pyarrow')
    path = tmp_path / f'manifest.{suffix}'
    write_manifest(path, lambda: [ROW, FAILED], {'mode': 'nearest'})
    assert list(read_manifest(path)) == [ROW, FAILED]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_csv_is_what_a_spreadsheet_expects(tmp_path):
    write_manifest(tmp_path / 'manifest.csv', lambda: [FAILED], {})
    lines = (tmp_path / 'manifest.csv').read_text().splitlines()
    assert lines[0].startswith('name,source,frame,image_stamp_ns,cloud_stamp_ns,offset_ms,exposure_ns,x_m,y_m,z_m,qx')
    assert lines[1].endswith(',failed,"expected a scan, got none, ""alas""",,')


def test_parquet_has_types_and_the_settings(tmp_path):
    parquet = pytest.importorskip('pyarrow.parquet')
    mixed = replace(FAILED, facts={'agreed': 1})  # a fact that is a text elsewhere
    write_manifest(tmp_path / 'manifest.parquet', lambda: [ROW, mixed], {'mode': 'nearest'})
    table = parquet.read_table(tmp_path / 'manifest.parquet')
    assert json.loads(table.schema.metadata[b'velodyne_to_depth']) == {'mode': 'nearest'}
    assert table['image_stamp_ns'].to_pylist() == [1317042276476937216, None]
    assert table['kept_share'].to_pylist() == [0.75, None]
    assert table['agreed'].to_pylist() == ['scan', '1']
    assert table['scans'].to_pylist() == [11, None]
    assert str(table.schema.field('points').type) == 'int64'


def test_parquet_in_several_batches(tmp_path, monkeypatch):
    pytest.importorskip('pyarrow')
    monkeypatch.setattr('msg_tools.ground_truth.manifest.BATCH', 2)
    rows = [replace(ROW, frame=frame, facts={'share': 1 if frame < 3 else 0.5}) for frame in range(5)]
    write_manifest(tmp_path / 'manifest.parquet', lambda: rows, {})
    assert list(read_manifest(tmp_path / 'manifest.parquet')) == rows


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'pyarrow', None)
    with pytest.raises(DepthNodeError, match=r'pip install "depth_node\[truth\]"'):
        require_format('parquet')
    require_format('csv')


def test_manifest_of_something_else(tmp_path):
    (tmp_path / 'manifest.csv').write_text('a,b\n1,2\n')
    with pytest.raises(DepthNodeError, match='expected a manifest that this tool wrote'):
        list(read_manifest(tmp_path / 'manifest.csv'))


def test_manifest_with_a_cell_that_is_too_long_for_csv(tmp_path):
    (tmp_path / 'manifest.csv').write_text(f'name,source\n"{"x" * 200_000}",2\n')
    with pytest.raises(DepthNodeError, match='expected a manifest that this tool wrote, got: field larger'):
        list(read_manifest(tmp_path / 'manifest.csv'))


def test_journal_gives_rows_back_by_where_they_begin(journal):
    first, second = journal.add(ROW), journal.add(FAILED)
    assert (first, journal.at(second), journal.at(first)) == (0, FAILED, ROW)


def test_journal_takes_numpys_numbers(journal):
    at = journal.add(replace(ROW, facts={'share': np.float32(0.5), 'scans': np.int64(3)}))
    assert journal.at(at).facts == {'share': 0.5, 'scans': 3}


def test_torn_line_ends_a_journal(journal):
    journal.add(ROW)
    journal.add(FAILED)
    journal.close()
    text = journal.path.read_bytes()
    journal.path.write_bytes(text[:-20])
    assert list(read_journal(journal.path)) == [ROW]
    assert list(read_journal(journal.path.with_name('none'))) == []


def test_records_are_in_the_order_of_frames_and_the_last_counts(journal):
    records = Records(journal, 4)
    records.add(2, FAILED)
    records.add(0, ROW)
    records.add(2, replace(ROW, frame=42))
    assert [row.frame for row in records.rows()] == [40, 42]
    assert records.missing().tolist() == [1, 3]
    assert records.counts() == {'ok': 2, 'partial': 0, 'skipped': 0, 'failed': 0}


def test_records_tell_partial_scans_by_the_median_of_all(journal):
    records = Records(journal, 4)
    for index, lowest in enumerate((-23.65, -23.6, -17.7)):
        records.add(index, replace(ROW, lowest_deg=lowest, pixels=100 + index))
    records.add(3, FAILED)
    records.mark_partial()
    assert [row.status for row in records.rows()] == ['ok', 'ok', 'partial', 'failed']
    assert [row.reason for row in records.rows('partial')] == [
        'partial scan: without the beams below -18 degrees (usual: -24)']
    assert records.medians()['pixels'] == 101
