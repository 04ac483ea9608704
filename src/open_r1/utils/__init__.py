"""What every room may use: errors, files, text, the Hub, worker processes. Nothing here knows recipes or models."""
