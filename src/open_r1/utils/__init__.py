"""What every room may use: user errors, files, text, names in recipes, the Hub, worker processes."""
