"""The first config of one's own: read from a folder, or copied from an example."""
