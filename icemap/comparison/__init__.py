"""What an earlier map says of a map's cells, and how far the two agree."""
