"""The outside world in a Postgres schema of its own: payments, accounts and mail to try things on.

It has its own connections, so that an answer can really be lost between us and "the provider".
"""
