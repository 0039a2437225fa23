"""The core: what a case is and which rules hold. Pure: no clock, no network, no Temporal."""
