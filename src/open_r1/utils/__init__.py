"""Utilities for all other packages: user errors, files, text, names in recipes, the Hub, worker processes."""
