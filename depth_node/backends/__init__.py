"""The networks that can run, one file each, behind one protocol."""
