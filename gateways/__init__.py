"""Adapters that we call: a language model, payments, accounts, mail."""
