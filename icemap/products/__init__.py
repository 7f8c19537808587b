"""What people open: COGs, catalogue, totals, pictures and the report."""
