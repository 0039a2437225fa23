"""The sandbox stands between the workflow and the clock, though most of ours passes through."""

from workers.main import sandbox_runner
from workflows.support_case import SupportCaseWorkflow


def test_the_workflows_own_module_is_loaded_in_the_sandbox_and_not_passed_through() -> None:
    passed = sandbox_runner().restrictions.passthrough_modules
    own = SupportCaseWorkflow.__module__
    rooms = {own.rsplit(".", depth)[0] for depth in range(own.count(".") + 1)}

    assert rooms == {"workflows", "workflows.support_case"}
    assert not rooms & passed


def test_the_core_and_the_activities_are_not_loaded_anew_for_each_case() -> None:
    assert {"cases", "activities", "pydantic"} <= sandbox_runner().restrictions.passthrough_modules
