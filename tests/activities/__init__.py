"""Tests of the activities, on fakes of the ports."""
