"""Refunds through Stripe, on its official SDK: needs the extra `casekeeper[stripe]`."""
