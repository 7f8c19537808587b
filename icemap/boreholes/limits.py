"""Where a value of a borehole stops being believable."""

# By dry mass, as a fraction; peat in permafrost reaches 23.
MAX_WATER = 30.0
# More without a density that goes with it may be a percentage taken for a fraction. Ice and solids
# that fill at least MIN_FILLED of the volume go with it: such peat is ice with little air.
MAX_UNCONFIRMED_WATER = 20.0
MIN_FILLED = 0.6
# Ice and solids by volume, as a fraction; above 1 because both are measured.
MAX_FILLED = 1.03
# g/cm3; where not all is ice, looser than any peat is a wrong unit.
MIN_DENSITY, MAX_DRY_DENSITY = 0.01, 2.6
MAX_DEPTH = 2000.0  # m
# Two sites closer than this in both are one measurement reported twice, where positions are
# published that precisely. Sites of one name that are further apart than ONE_PLACE_KM are different
# ones: repeated surveys and roundings make less.
DUPLICATE_KM, DUPLICATE_VALUE = 0.05, 2.0
ONE_PLACE_KM = 1.0
# Decimals that make coordinates "the same".
ROUNDED_DEGREES = 4
# Largest position error, in cells of the grid.
MAX_POSITION_CELLS = 2.0
# More of the volume than errors of measurement explain, and the share of a table's values, and the
# least number of them, from which they are no single mistakes.
OVERFULL = 1.1
OVERFULL_SHARE, OVERFULL_ROWS = 0.05, 3
