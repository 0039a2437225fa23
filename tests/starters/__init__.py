"""Tests of the commands, in this process and on the session's servers."""
