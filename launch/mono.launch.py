"""Start the depth node; `bag:=PATH` also replays a bag to it, and `rviz:=true` shows what comes out.

ros2 launch depth_node mono.launch.py image:=/camera/image_raw
ros2 launch depth_node mono.launch.py bag:=kitti.mcap rviz:=true
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch import Action, Event, EventHandler, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueCoroutine,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.descriptions import ParameterValue
from launch_ros.ros_adapters import get_ros_node
from launch_ros.substitutions import ExecutableInPackage
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

SHARE = Path(get_package_share_directory('depth_node'))
KITTI_IMAGE = '/kitti/camera_color_left/image_raw'  # as kitti_to_bag and kitti2bag name it
BOOL = ('true', 'false')
LEVELS = ('debug', 'info', 'warn', 'error', 'fatal')
LOOK_AGAIN_S = 0.2


def argument(name: str, default: str, text: str, choices: tuple[str, ...] | None = None) -> DeclareLaunchArgument:
    """Declare one argument of this launch file."""
    return DeclareLaunchArgument(name, default_value=default, description=text, choices=choices)


ARGUMENTS = (
    argument('image', KITTI_IMAGE, 'Topic of the camera image'),
    argument('camera_info', '', 'Topic of its camera_info; empty: `camera_info` beside the image topic'),
    argument('params_file', str(SHARE / 'config/mono.yaml'), 'Parameters of the node'),
    argument('checkpoint', '', 'Checkpoint file; empty: as in params_file'),
    argument('device', '', 'Where the network runs; empty: as in params_file', ('', 'auto', 'cpu', 'cuda')),
    argument('autostart', '', 'Configure and activate at start; empty: as in params_file', ('', *BOOL)),
    argument('use_sim_time', 'auto', 'Take the time from /clock; auto: when a bag is replayed', ('auto', *BOOL)),
    argument('namespace', '', 'Namespace of the node and of the topics it publishes'),
    argument('log_level', 'info', 'What the node logs', LEVELS),
    argument('bag', '', 'Bag to replay, with /clock, once the node is active; empty: none'),
    argument('bag_rate', '1.0', 'How many times as fast as it was recorded the bag is replayed'),
    argument('bag_loop', 'false', 'Replay the bag again and again', BOOL),
    argument('exit_after_bag', 'false', 'Stop everything when the bag has ended', BOOL),
    argument('rviz', 'false', 'Show images, clouds and frames in RViz', BOOL),
)


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, and what to start given their values."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[Action]:
    """Return the actions that this launch's arguments ask for."""
    args = {item.name: LaunchConfiguration(item.name).perform(context) for item in ARGUMENTS}
    args['params_file'] = existing('params_file', args['params_file'])
    args['bag'] = existing('bag', args['bag']) if args['bag'] else ''
    args['camera_info'] = args['camera_info'] or beside(args['image'], 'camera_info')
    node = depth_node(args)
    actions: list[Action] = [node]
    if args['bag']:
        args['camera_info'] = absolute(context, args['namespace'], args['camera_info'])
        replay = EventHandler(matcher=lambda event: isinstance(event, NodeActive), entities=[bag_player(args)])
        actions += [RegisterEventHandler(replay), OpaqueCoroutine(coroutine=wait_until_active, args=[node])]
    if args['rviz'] == 'true':
        actions.append(rviz(args))
    return actions


def existing(name: str, path: str) -> str:
    """Return the path with ~ expanded, or raise FileNotFoundError naming the argument."""
    full = Path(path).expanduser()
    if not full.exists():
        raise FileNotFoundError(f'{name}:={path}: expected a file or folder, got nothing there; is it spelt right?')
    return str(full)


def beside(topic: str, name: str) -> str:
    """Return the topic `name` in the same namespace as another topic."""
    return topic.rpartition('/')[0] + '/' + name if '/' in topic else name


def absolute(context: LaunchContext, namespace: str, topic: str) -> str:
    """Return the full name of a topic that may be relative to the node's namespace."""
    inside = prefix_namespace(context.launch_configurations.get('ros_namespace'), namespace)
    return make_namespace_absolute(prefix_namespace(inside, topic))


def remappings(args: dict[str, str]) -> list[tuple[str, str]]:
    """Return what connects the node's (and RViz's) relative input topics to the camera."""
    return [('image', args['image']), ('camera_info', args['camera_info'])]


def sim_time(args: dict[str, str]) -> dict[str, bool]:
    """Return the parameter that says whether the time comes from /clock."""
    wanted = args['use_sim_time']
    return {'use_sim_time': bool(args['bag']) if wanted == 'auto' else wanted == 'true'}


def depth_node(args: dict[str, str]) -> LifecycleNode:
    """Return the node; an empty argument leaves the value of the parameter file alone."""
    overrides = {name: ParameterValue(args[name], value_type=str) for name in ('checkpoint', 'device') if args[name]}
    if args['autostart']:
        overrides['autostart'] = args['autostart'] == 'true'
    return LifecycleNode(
        package='depth_node', executable='depth_node', name='depth_node', namespace=args['namespace'],
        parameters=[args['params_file'], sim_time(args) | overrides], remappings=remappings(args),
        ros_arguments=['--log-level', args['log_level']], output='screen', emulate_tty=True,
    )


class NodeActive(Event):
    """The node subscribes to images."""

    name = 'depth_node.NodeActive'


async def wait_until_active(context: LaunchContext, node: LifecycleNode) -> None:
    """Emit NodeActive once the node is seen to subscribe to images, so that the replay loses none; never if it dies.

    A lifecycle event would come sooner, but is lost where the node is active before this process has discovered it.
    """
    with suppress(asyncio.CancelledError):  # a cancelled coroutine makes launch end at once and leave processes behind
        while not subscribes_to_images(context, node):
            if node.return_code is not None:
                return
            await asyncio.sleep(LOOK_AGAIN_S)
        await context.emit_event(NodeActive())


def subscribes_to_images(context: LaunchContext, node: LifecycleNode) -> bool:
    """Return whether the ROS graph shows a subscription of the node to images, which it has while it is active."""
    namespace, _, name = node.node_name.rpartition('/')
    try:
        topics = get_ros_node(context).get_subscriber_names_and_types_by_node(name, namespace or '/')
    except RuntimeError:  # not there yet
        return False
    return any(kind.startswith('sensor_msgs/msg/') and kind.endswith('Image') for _, kinds in topics for kind in kinds)


def bag_player(args: dict[str, str]) -> ExecuteProcess:
    """Return the process that replays the bag: `ros2 bag play` where that is installed, else our bag_replay."""
    command = ['ros2', 'bag', 'play', args['bag'], '--disable-keyboard-controls', '--delay', '1']
    if Path(args['bag']).suffix == '.bag' or not installed('ros2bag'):  # ROS 1 bags are for ours alone
        ours = ExecutableInPackage(package='depth_node', executable='bag_replay')
        command = [ours, args['bag'], '--wait-for', args['camera_info']]  # and tell the bag's topics if it lacks that
    command += ['--clock', '100', '--rate', args['bag_rate'], *(['--loop'] if args['bag_loop'] == 'true' else [])]
    on_exit = Shutdown(reason='the bag has ended') if args['exit_after_bag'] == 'true' else None
    return ExecuteProcess(cmd=command, name='bag', output='screen', on_exit=on_exit)


def installed(package: str) -> bool:
    """Return whether a ROS package is installed."""
    try:
        return bool(get_package_prefix(package))
    except PackageNotFoundError:
        return False


def rviz(args: dict[str, str]) -> Node:
    """Return RViz in the node's namespace: its configuration names topics relative to that."""
    return Node(
        package='rviz2', executable='rviz2', namespace=args['namespace'], remappings=remappings(args),
        arguments=['-d', str(SHARE / 'config/mono.rviz')], parameters=[sim_time(args)],
    )
