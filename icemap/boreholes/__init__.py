"""Raw borehole layers to one VIC per site, and sites to a training table."""
