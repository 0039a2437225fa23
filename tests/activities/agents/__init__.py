"""Tests of the agents, on fakes of the ports."""
