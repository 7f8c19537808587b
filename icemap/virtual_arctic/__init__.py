"""A Northern Hemisphere whose ground ice is known everywhere, its boreholes, and the demo."""
