"""Install depth_node with pip, or with colcon as an ament_python package."""

from glob import glob

from setuptools import setup

ROS_MESSAGES = ('std', 'sensor', 'geometry', 'nav', 'diagnostic', 'lifecycle', 'rosgraph')
COMMANDS = {
    'depth_node': 'depth_node.node',
    'depth_predict': 'depth_node.predict',
    'depth_demo': 'depth_node.demo.run',
    'bag_replay': 'depth_node.ros.replay',
    'bag_record': 'depth_node.ros.record',
    'kitti_to_bag': 'msg_tools.kitti_bag',
    'velodyne_to_depth': 'msg_tools.ground_truth.cli',
    'depth_train': 'depth_node_training.train',
    'depth_study': 'depth_node_training.study',
    'depth_eval': 'depth_node_training.evaluate',
    'depth_export': 'depth_node_training.export',
    'depth_data': 'depth_node_training.data',
    'depth_bench': 'depth_node_training.bench',
}
TESTS = ['pytest', 'pytest-timeout', 'hypothesis']
EXTRAS = {
    'ros': ['ros-rclpy[fastrtps]', *(f'ros-{name}-msgs' for name in ROS_MESSAGES)],
    'train': ['lightning-fabric>=2.4', 'tensorboard', 'flatbuffers'],
    'openvino': ['openvino>=2024.4'],
    'onnx': ['onnx', 'onnxscript', 'onnxruntime'],
    'truth': ['pyarrow', 'kiss-icp'],
    'cluster': ['dask[distributed]'],
    'int8': ['openvino>=2024.4', 'nncf>=2.15'],
    'test': TESTS,  # `colcon test` looks here for pytest, and else runs nothing
    'dev': [*TESTS, 'ruff', 'mypy', 'codespell'],
}

setup(
    name='depth_node',
    version='0.1.0',
    description='Metric depth images and point clouds from one camera, for ROS 2 robots',
    license='Apache-2.0',
    packages=[
        'depth_node', 'depth_node.backends', 'depth_node.demo', 'depth_node.ros',
        'msg_tools', 'msg_tools.ground_truth', 'depth_node_training', 'depth_node_training.datasets',
        'depth_node_training.networks',
    ],
    package_dir={'depth_node_training': 'training'},  # an installed package called `training` would collide
    package_data={'depth_node': ['weights/*'], 'depth_node.ros': ['*.xml']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/depth_node']),
        ('share/depth_node', ['package.xml']),
        ('share/depth_node/launch', glob('launch/*.launch.py')),
        ('share/depth_node/config', [*glob('config/*'), 'depth_node/ros/fastdds.xml']),
    ],
    python_requires='>=3.10',
    install_requires=['numpy>=1.26', 'opencv-python', 'torch>=2.1', 'safetensors', 'rosbags>=0.11.2', 'pyyaml', 'tqdm',
                      'numba', 'isal>=1.5'],
    extras_require=EXTRAS,
    entry_points={'console_scripts': [f'{name} = {module}:main' for name, module in COMMANDS.items()]},
)
