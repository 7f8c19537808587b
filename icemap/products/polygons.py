"""The earlier place of :mod:`icemap.totals.polygons`, which scripts import."""

from icemap.totals.polygons import Zone as Area
from icemap.totals.polygons import read_zones as read_areas

__all__ = ["Area", "read_areas"]
