"""Pictures: the only code that knows matplotlib."""
