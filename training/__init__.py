"""Datasets, training and evaluation; installed as depth_node_training."""
