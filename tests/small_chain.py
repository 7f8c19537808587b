"""A chain of the virtual Arctic that runs in seconds: two plain members, a coarse grid, and
nothing to be chosen.
"""

SMALL = {
    "grid": {"west": -180, "south": 40, "east": 180, "north": 84, "resolution": 2, "chunk": 64},
    "predictors": ["maat", "elevation", "deposit", "sediment_thickness"],
    "ensemble": {
        "members": ["sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge"],
        "replicates": 2,
        "folds": 3,
        "candidates": 0,
        "prior_strength": 100,
        "climatology": 0,
        "position": False,
    },
    "verification": {"folds": 3, "places": 300, "competitors": []},
}
