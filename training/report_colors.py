"""Which colour is what in depth_eval's report."""

COLORS = {'prediction': '#2f7bf5', 'row_mean': '#f0a020', 'flat_ground': '#98a1ad'}
OTHERS = ('#12a879', '#a45cf0', '#e4508a', '#13a8c4')  # of what is measured beside
ORACLE, CHANCE = '#12a879', '#98a1ad'
