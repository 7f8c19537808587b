"""Pages that people read: the only code that knows jinja."""
