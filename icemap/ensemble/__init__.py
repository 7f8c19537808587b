"""Members, copula-embedded BMA and the replicates: pure numpy and scikit-learn."""
