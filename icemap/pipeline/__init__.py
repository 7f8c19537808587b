"""The chain from sources to report, one file for one command."""
