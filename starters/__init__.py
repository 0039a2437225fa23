"""What people do with cases. One command, one file."""
