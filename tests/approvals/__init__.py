"""Approvals from end to end: who may decide, how often, and what a decision lets out."""
