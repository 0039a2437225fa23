"""The offline language understanding: a small trained router that needs no network and no key."""
