"""The earlier place of :mod:`icemap.totals.polygons`, which scripts import."""

from icemap.totals.polygons import Area, read_areas

__all__ = ["Area", "read_areas"]
