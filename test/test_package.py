"""What the package says of itself is true: package.xml, setup.py, installed files, and which part imports which."""

import ast
import os
import re
import runpy
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
import setuptools

ROOT = Path(__file__).parents[1]
NAME = 'depth_node'
ROS = {'rclpy', 'launch', 'launch_ros', 'ament_index_python', 'rosidl_runtime_py', 'rcl_interfaces',
       'builtin_interfaces', 'cv_bridge', 'sensor_msgs_py', 'rosbag2_py', 'tf2_ros'}  # and whatever ends in _msgs
TALKS_ROS = ('depth_node/node.py', 'depth_node/ros/', 'launch/')
NEVER_IMPORTED = {
    'msg_tools': {'depth_node', 'training', 'depth_node_training', 'torch', 'torchvision', 'rclpy'},
    'depth_node': {'training', 'depth_node_training'},
    'training': {'training', 'depth_node_training'},  # relative imports alone: its installed name is another
}


@pytest.fixture(scope='module')
def manifest() -> ElementTree.Element:
    return ElementTree.parse(ROOT / 'package.xml').getroot()


@pytest.fixture(scope='module')
def setup_arguments() -> dict:
    """Run setup.py, and return what it hands to setuptools."""
    given: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, 'setup', given.update)
        patch.chdir(ROOT)
        runpy.run_path('setup.py')
    return given


def package_folder(setup_arguments: dict, package: str) -> Path:
    first, *rest = package.split('.')
    return ROOT.joinpath(setup_arguments['package_dir'].get(first, first), *rest)


def test_manifest_is_valid(manifest):
    """A mistake in it makes colcon build a plain Python package, without a word: ros2 run then finds nothing."""
    assert manifest.tag == 'package'
    assert manifest.get('format') == '3'
    assert manifest.findtext('name') == NAME
    assert re.fullmatch(r'\d+\.\d+\.\d+', manifest.findtext('version', ''))
    assert manifest.findtext('description', '').strip()
    assert manifest.findtext('license', '').strip()
    emails = [maintainer.get('email', '') for maintainer in manifest.findall('maintainer')]
    assert emails
    assert all(re.fullmatch(r'[\w.%+-]+@[\w%-]+(\.[\w%-]+)*\.[A-Za-z]{2,}', email) for email in emails)
    assert manifest.findtext('export/build_type') == 'ament_python'


def test_catkin_pkg_accepts_the_manifest():
    package = pytest.importorskip('catkin_pkg.package').parse_package(str(ROOT / 'package.xml'))
    assert package.get_build_type() == 'ament_python'


def test_no_dependency_is_named_twice(manifest):
    names = [(item.tag, item.text) for item in manifest if item.tag.endswith('depend')]
    assert len(names) == len(set(names))


def test_manifest_names_the_ros_packages_that_the_code_imports(manifest):
    named = {item.text for item in manifest if item.tag in ('depend', 'exec_depend')}
    used = {module for path in sources(NAME, 'launch') for module in imports(path) if is_ros(module)}
    assert used <= named


def test_setup_agrees_with_the_manifest(manifest, setup_arguments):
    assert setup_arguments['name'] == manifest.findtext('name')
    assert setup_arguments['version'] == manifest.findtext('version')
    assert setup_arguments['license'] == manifest.findtext('license')


def test_every_folder_of_code_is_installed(setup_arguments):
    installed = {package_folder(setup_arguments, package) for package in setup_arguments['packages']}
    there = {path.parent for top in (NAME, 'msg_tools', 'training') for path in (ROOT / top).rglob('__init__.py')}
    assert installed == there


def test_every_file_beside_the_code_is_installed(setup_arguments):
    for package in setup_arguments['packages']:
        folder = package_folder(setup_arguments, package)
        known = {path for pattern in setup_arguments['package_data'].get(package, ()) for path in folder.glob(pattern)}
        inner = [p for p in folder.rglob('*') if p.is_file() and p.suffix not in ('.py', '.pyc', '.md', '.nbi', '.nbc')]
        own = {p for p in inner if not any((q / '__init__.py').exists() for q in p.parents if folder in q.parents)}
        assert own <= known


def test_data_files_exist_and_land_where_ros_looks(setup_arguments):
    files = dict(setup_arguments['data_files'])
    assert 'package.xml' in files[f'share/{NAME}']
    assert files['share/ament_index/resource_index/packages'] == [f'resource/{NAME}']
    assert 'launch/mono.launch.py' in files[f'share/{NAME}/launch']
    assert {'config/mono.yaml', 'config/mono.rviz'} <= set(files[f'share/{NAME}/config'])
    assert all((ROOT / name).is_file() for names in files.values() for name in names)


def test_every_command_has_a_main(setup_arguments):
    for entry in setup_arguments['entry_points']['console_scripts']:
        _, module, function = re.fullmatch(r'(\w+) = ([\w.]+):(\w+)', entry).groups()
        package, _, name = module.rpartition('.')
        source = package_folder(setup_arguments, package) / f'{name}.py'
        assert source.is_file(), entry
        functions = [node for node in ast.parse(source.read_text()).body if isinstance(node, ast.FunctionDef)]
        assert function in {node.name for node in functions}, entry


def test_colcon_test_runs_pytest(setup_arguments):
    """colcon runs pytest where the extra `test` asks for it; elsewhere it finds 0 tests and is content."""
    assert 'pytest' in setup_arguments['extras_require']['test']


def test_scripts_land_in_lib_and_take_the_python_in_use():
    """ros2 run looks in lib/depth_node; colcon would name the Python that it itself runs on, where torch may lack."""
    text = (ROOT / 'setup.cfg').read_text()
    assert text.count('$base/lib/depth_node') == 2
    assert re.search(r'\[build_scripts\]\s+executable\s*=\s*/usr/bin/env python3', text)


def test_no_package_hides_a_foreign_one():
    """A `launch` or `test` that can be imported hides ROS's launch and the standard library's test."""
    assert not [name for name in ('launch', 'test', 'config') if (ROOT / name / '__init__.py').exists()]


@pytest.mark.parametrize('part', NEVER_IMPORTED)
def test_imports_go_one_way(part):
    wrong = {str(path.relative_to(ROOT)): set(imports(path)) & NEVER_IMPORTED[part] for path in sources(part)}
    assert not {path: modules for path, modules in wrong.items() if modules}


def test_only_the_node_and_what_belongs_to_it_import_ros():
    wrong = {
        path.relative_to(ROOT).as_posix(): ros
        for path in sources(NAME, 'msg_tools', 'training') if (ros := [m for m in imports(path) if is_ros(m)])
    }
    assert not [path for path in wrong if not path.startswith(TALKS_ROS)]


def test_import_walk_sees_every_kind_of_import(tmp_path):
    path = tmp_path / 'module.py'
    path.write_text('import a.b, c as d\nfrom e.f import g\nfrom . import h\ndef i():\n    import rclpy.node\n')
    assert sorted(imports(path)) == ['a', 'c', 'e', 'rclpy']
    assert is_ros('rclpy')
    assert is_ros('sensor_msgs')
    assert not is_ros('rosbags')


def sources(*parts: str) -> Iterator[Path]:
    for part in parts:
        yield from (ROOT / part).rglob('*.py')


def imports(path: Path) -> Iterator[str]:
    """Yield the top-level name of each absolute import anywhere in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'), os.fspath(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition('.')[0]


def is_ros(module: str) -> bool:
    return module in ROS or module.endswith('_msgs')
