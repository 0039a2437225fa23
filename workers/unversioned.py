"""Lets workflows say how they are versioned on a worker that is not.

The SDK sends what a workflow says in any case, and the server refuses it of such a worker: no case
would go on. The sandbox loads this module, so it imports little.
"""

import dataclasses

from temporalio.worker import (
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
)


class UnversionedRunner(UnsandboxedWorkflowRunner):
    """Runs workflows as if they said nothing."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        silent = dataclasses.replace(det.defn, versioning_behavior=None)
        return super().create_instance(dataclasses.replace(det, defn=silent))
