"""Sources of any kind to one aligned, chunked Zarr datacube."""
