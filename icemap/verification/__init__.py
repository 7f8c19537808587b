"""How good the ensemble is, and where it may be used."""
