"""Can the virtual Arctic be learned as well as, and no better than, the real one?"""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict

from icemap.virtual_arctic.world import PREDICTORS, borehole_truth, predictors_at_points


def explained(y, predicted):
    return 1 - np.sum((y - predicted) ** 2) / np.sum((y - y.mean()) ** 2)


@pytest.mark.slow
def test_predictors_explain_a_realistic_share_of_the_ice():
    random, spatial = [], []
    for seed in range(3):
        sites = borehole_truth(seed)
        fields = predictors_at_points(sites["lon"], sites["lat"], seed=seed)
        x, y = np.column_stack([fields[name] for name in PREDICTORS]), sites["vic"].to_numpy()
        blocks = np.floor(sites["lon"] / 5).astype(int) * 100 + np.floor(sites["lat"] / 3).astype(
            int
        )
        forest = RandomForestRegressor(100, min_samples_leaf=3, max_features=0.4, random_state=0)
        random.append(
            explained(
                y, cross_val_predict(forest, x, y, cv=KFold(10, shuffle=True, random_state=0))
            )
        )
        spatial.append(
            explained(y, cross_val_predict(forest, x, y, cv=GroupKFold(10), groups=blocks))
        )
    assert 0.5 < np.mean(random) < 0.8
    assert 0.25 < np.mean(spatial) < 0.6
    # Neighbours at the same station say more about each other than the predictors do.
    assert np.mean(random) > np.mean(spatial) + 0.1
