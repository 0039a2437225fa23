"""Effects, thin: call a port, translate the error, return a typed result."""
