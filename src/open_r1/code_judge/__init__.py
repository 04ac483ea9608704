"""A judge of programs: runs them on tests in a sandbox. See README.md for what is covered and what is not."""
