"""What the worker shows over HTTP."""
