"""The adapters that we call, each with its sandbox sibling or offline default."""
