"""mono.launch.py: its arguments, and what it starts for them. Most of it needs ROS's launch, which PyPI lacks."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LAUNCH_FILE = ROOT / 'launch/mono.launch.py'
RVIZ_FILE = ROOT / 'config/mono.rviz'


def test_launch_file_compiles():
    compile(LAUNCH_FILE.read_text(), str(LAUNCH_FILE), 'exec')


def test_rviz_shows_the_topics_of_the_node_and_takes_them_relative():
    """A relative name follows the namespace, in which the launch file starts RViz."""
    displays = yaml.safe_load(RVIZ_FILE.read_text())['Visualization Manager']['Displays']
    topics = {display['Topic']['Value'] for display in displays if 'Topic' in display}
    assert {'image', 'depth/image_color', 'depth/image_rect', 'points'} <= topics
    assert all(display['Class'].startswith('rviz_default_plugins/') for display in displays)


class Started:
    """What the launch file starts for some arguments, with every substitution performed."""

    def __init__(self, **arguments: str) -> None:
        from launch import LaunchContext

        self.context = LaunchContext()
        self.context.launch_configurations.update(arguments)
        self.module = load_launch_file()
        for argument in self.module.ARGUMENTS:
            argument.visit(self.context)
        self.actions = self.module.start(self.context)

    def node(self):
        """Return the depth node's action."""
        from launch_ros.actions import LifecycleNode

        node = next(action for action in self.actions if isinstance(action, LifecycleNode))
        node._perform_substitutions(self.context)
        return node

    def parameters(self) -> dict:
        """Return the parameters that the launch file sets beside params_file."""
        files = [path for path, is_file in self.node()._Node__expanded_parameter_arguments if is_file]
        return next(iter(yaml.safe_load(Path(files[-1]).read_text()).values()))['ros__parameters']

    def replay(self) -> list[str]:
        """Return the command that is run once the node is active."""
        return [''.join(part.perform(self.context) for part in word) for word in self.handler().entities[0].cmd]

    def handler(self):
        """Return what waits for the node to become active; fail where nothing does."""
        from launch.actions import RegisterEventHandler

        return next(action for action in self.actions if isinstance(action, RegisterEventHandler)).event_handler


def load_launch_file():
    import importlib.util

    spec = importlib.util.spec_from_file_location('mono_launch', LAUNCH_FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def launch():
    """Skip where ROS's launch, or the installed package whose files the launch file names, is missing."""
    pytest.importorskip('launch.actions')
    pytest.importorskip('launch_ros.actions')
    packages = pytest.importorskip('ament_index_python.packages')
    try:
        packages.get_package_share_directory('depth_node')
    except packages.PackageNotFoundError:
        pytest.skip('depth_node is not in the ament index: colcon build, then source install/setup.bash')
    return Started


@pytest.fixture
def bag(tmp_path):
    (tmp_path / 'a bag').mkdir()
    return tmp_path / 'a bag'


def test_every_argument_says_what_it_is_for(launch):
    description = load_launch_file().generate_launch_description()
    arguments = {argument.name: argument for argument in description.get_launch_arguments()}
    assert {'params_file', 'checkpoint', 'device', 'namespace', 'log_level', 'autostart', 'use_sim_time', 'rviz', 'bag',
            'bag_rate', 'bag_loop', 'exit_after_bag', 'image', 'camera_info'} == set(arguments)
    assert all(argument.description for argument in arguments.values())
    assert all(argument.default_value is not None for argument in arguments.values())


def test_without_arguments_the_yaml_decides(launch):
    assert launch().parameters() == {'use_sim_time': False}


def test_given_values_override_the_yaml_and_stay_text(launch):
    parameters = launch(checkpoint='123', device='cpu', autostart='false').parameters()
    assert parameters == {'use_sim_time': False, 'checkpoint': '123', 'device': 'cpu', 'autostart': False}


def test_camera_info_lies_beside_the_image_unless_named(launch):
    for image, info, wanted in (
        ('/front/image_raw', '', '/front/camera_info'),
        ('image_raw', '', 'camera_info'),
        ('/image_raw', '', '/camera_info'),
        ('/front/image_raw', '/back/info', '/back/info'),
    ):
        node = launch(image=image, camera_info=info).node()
        assert node.expanded_remapping_rules == [('image', image), ('camera_info', wanted)]


def test_node_gets_namespace_and_log_level(launch):
    node = launch(namespace='front', log_level='debug').node()
    assert node.expanded_node_namespace == '/front'
    words = [part.text for word in node.cmd for part in word if hasattr(part, 'text')]
    assert words[words.index('--log-level') + 1] == 'debug'


def test_bag_is_replayed_with_clock(launch, bag):
    started = launch(bag=str(bag), bag_rate='2.0')
    assert started.parameters() == {'use_sim_time': True}
    command = started.replay()
    assert str(bag) in command
    assert command[command.index('--clock') + 1] == '100'
    assert command[command.index('--rate') + 1] == '2.0'
    assert '--loop' not in command


@pytest.fixture
def waiting(launch, bag, monkeypatch):
    """Return what was started, the subscriptions that the ROS graph will show, and the events that are emitted."""
    started, subscribed, events = launch(bag=str(bag)), [], []
    graph = SimpleNamespace(get_subscriber_names_and_types_by_node=lambda *_: list(subscribed))

    async def emit(event):
        events.append(event)

    monkeypatch.setattr(started.context, 'emit_event', emit)
    monkeypatch.setattr(started.module, 'get_ros_node', lambda context: graph)
    monkeypatch.setattr(started.module, 'LOOK_AGAIN_S', 0.001)
    return started, subscribed, events


def wait(started) -> 'asyncio.Task':
    return asyncio.ensure_future(started.module.wait_until_active(started.context, started.node()))


def test_replay_waits_until_the_node_subscribes_to_images(waiting):
    """A transition event would do, were it not lost where the node is active before launch has discovered it."""
    started, subscribed, events = waiting

    async def run():
        task = wait(started)
        await asyncio.sleep(0.02)
        assert not events
        subscribed.append(('/image', ['sensor_msgs/msg/Image']))
        await asyncio.wait_for(task, 10)

    asyncio.run(run())
    assert started.handler().matches(events[0])


def test_stopping_launch_while_the_replay_waits_leaves_no_node_behind(waiting):
    """launch takes a cancelled coroutine for its own end, and returns before the node has."""
    started, _, events = waiting

    async def run():
        task = wait(started)
        await asyncio.sleep(0.02)
        task.cancel()  # what launch does on SIGINT
        await task
        assert not task.cancelled()

    asyncio.run(run())
    assert not events


def test_replay_never_starts_where_the_node_has_died(waiting, monkeypatch):
    started, _, events = waiting
    monkeypatch.setattr(type(started.node()), 'return_code', 1)

    async def run():
        await asyncio.wait_for(wait(started), 10)

    asyncio.run(run())
    assert not events


def test_bag_loops_and_the_clock_can_be_refused(launch, bag):
    started = launch(bag=str(bag), bag_loop='true', use_sim_time='false')
    assert '--loop' in started.replay()
    assert started.parameters() == {'use_sim_time': False}


def test_ros_1_bag_is_replayed_by_our_own_command(launch, tmp_path):
    path = tmp_path / 'old.bag'
    path.touch()
    command = launch(bag=str(path)).replay()
    assert Path(command[0]).name == 'bag_replay'
    assert command[1:3] == [str(path), '--wait-for']


def test_bag_replay_waits_for_the_full_name_of_camera_info(launch, tmp_path):
    path = tmp_path / 'old.bag'
    path.touch()
    for namespace, image, wanted in (('front', 'image_raw', '/front/camera_info'), ('', '/a/image', '/a/camera_info')):
        command = launch(bag=str(path), namespace=namespace, image=image).replay()
        assert command[command.index('--wait-for') + 1] == wanted


def test_end_of_the_bag_stops_nothing_unless_asked(launch, bag):
    for exit_after_bag in ('false', 'true'):
        player = launch(bag=str(bag), exit_after_bag=exit_after_bag).handler().entities[0]
        assert bool(player._ExecuteLocal__on_exit) == (exit_after_bag == 'true')


def test_missing_bag_and_parameters_are_named(launch, tmp_path):
    for name in ('bag', 'params_file'):
        with pytest.raises(FileNotFoundError, match=f'^{name}:={tmp_path}/none: expected'):
            launch(**{name: f'{tmp_path}/none'})


def test_home_is_found_in_a_path(launch, bag, monkeypatch):
    """The shell expands ~ at a word's start alone, not in bag:=~/drive."""
    monkeypatch.setenv('HOME', str(bag.parent))
    assert str(bag) in launch(bag='~/a bag').replay()


def test_rviz_runs_in_the_namespace_of_the_node(launch):
    from launch_ros.actions import LifecycleNode, Node

    def viewers(**arguments):
        started = launch(namespace='front', **arguments)
        nodes = [a for a in started.actions if isinstance(a, Node) and not isinstance(a, LifecycleNode)]
        for node in nodes:
            node._perform_substitutions(started.context)
        return [(node.node_executable, node.expanded_node_namespace) for node in nodes]

    assert viewers(rviz='true') == [('rviz2', '/front')]
    assert not viewers()


@pytest.mark.slow
def test_ros2_launch_lists_the_arguments(launch):
    command = [sys.executable, '-c', 'from ros2cli.cli import main; raise SystemExit(main())', 'launch', 'depth_node']
    pytest.importorskip('ros2launch')
    run = subprocess.run([*command, 'mono.launch.py', '-s'], capture_output=True, text=True, timeout=60, env=os.environ)
    assert run.returncode == 0, run.stderr
    assert "'exit_after_bag':" in run.stdout
