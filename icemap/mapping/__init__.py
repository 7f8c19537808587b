"""The ensemble over the cube, chunk by chunk: the only code that knows Dask."""
