"""What the process runs on: settings, the Temporal connection, embedded servers, logs."""
