"""The composition root: the one place that constructs everything, and the worker process."""
