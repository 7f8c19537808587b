"""Polygons that are drawn across the date line."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def unwrapped(geometry: Any, *, keep_boxes: bool = True) -> Any:
    """A polygon whose rings do not jump: an edge longer than half the globe is taken for one across
    the date line.

    With ``keep_boxes``, edges all the way from -180 to 180 stay, as they bound a box round the
    globe.
    """
    import shapely

    if geometry.bounds[2] - geometry.bounds[0] <= 180:
        return geometry

    def straight(ring: Any) -> NDArray[np.float64]:
        points = shapely.get_coordinates(ring)
        jump = np.diff(points[:, 0])
        turn = np.where(
            (np.abs(jump) > 180) & ((np.abs(jump) < 359) | (not keep_boxes)),
            -360 * np.sign(jump),
            0,
        ).cumsum()
        points[1:, 0] += turn
        around = round(points[-1, 0] - points[0, 0])
        if abs(around) == 360:
            # A ring that does not come back goes round the pole on its side of the equator.
            pole = np.copysign(90.0, points[:, 1].mean())
            points = np.concatenate(
                [points, [[points[-1, 0], pole], [points[0, 0], pole], points[0]]]
            )
        return np.asarray(points)

    parts = []
    for part in shapely.get_parts(geometry):
        if part.geom_type == "Polygon" and part.bounds[2] - part.bounds[0] > 180:
            shell = straight(part.exterior)
            holes = []
            for hole in part.interiors:
                points = straight(hole)
                # A hole is drawn on the same turn as what it is in.
                middle = (points[:, 0].min() + points[:, 0].max()) / 2
                shift = [
                    turn
                    for turn in (0, 360, -360)
                    if shell[:, 0].min() <= middle + turn <= shell[:, 0].max()
                ]
                points[:, 0] += shift[0] if shift else 0
                holes.append(points)
            part = shapely.Polygon(shell, holes)
        parts.append(part)
    return parts[0] if len(parts) == 1 else shapely.GeometryCollection(parts)
