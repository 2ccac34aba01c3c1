"""One folder per system; none imports another; discovered through entry points."""
