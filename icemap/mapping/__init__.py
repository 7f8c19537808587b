"""The ensemble over the cube, chunk by chunk."""
