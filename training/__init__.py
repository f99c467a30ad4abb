"""Train, measure and export depth networks. Imported as `depth_node_training`."""

from . import networks as networks  # adds their names to those that a checkpoint or a config may say
