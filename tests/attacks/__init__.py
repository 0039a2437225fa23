"""The proof that a model which obeys every attacker cannot move money against the rules."""
