"""Servers of one module, encrypted as `casekeeper up` has them."""

from tests.encrypted import conftest as encrypted

home, stack, settings = encrypted.home, encrypted.stack, encrypted.settings
stores, owner, client = encrypted.stores, encrypted.owner, encrypted.client
gateways, session, run_worker = encrypted.gateways, encrypted.session, encrypted.run_worker
casekeeper, servers = encrypted.casekeeper, encrypted.servers
