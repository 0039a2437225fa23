"""The environment, read here and nowhere else."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What can be set. Temporal's own variables are read by `temporalio.envconfig`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    #: Where the embedded servers keep their data, and approvers' tokens lie.
    home: Path = Field(default=Path(".casekeeper"), validation_alias="CASEKEEPER_HOME")
    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL")
    redis_url: str | None = Field(default=None, validation_alias="REDIS_URL")
    #: The sandbox's own database; the same as Casekeeper's where it is not set.
    sandbox_database_url: str | None = Field(default=None, validation_alias="SANDBOX_DATABASE_URL")
    #: Where people find the Temporal Web UI, for links.
    web_url: str | None = Field(default=None, validation_alias="CASEKEEPER_WEB_URL")
    #: Which language model understands and writes.
    model: str = Field(default="offline", validation_alias="CASEKEEPER_MODEL")
    log_level: str = Field(default="INFO", validation_alias="CASEKEEPER_LOG_LEVEL")
    #: Whoever holds it approves in its owner's name.
    approver_token: str | None = Field(
        default=None, validation_alias="CASEKEEPER_APPROVER_TOKEN", repr=False
    )
    #: How long a stopping worker lets its activities finish, in seconds.
    grace_s: int = Field(default=30, ge=0, le=3600, validation_alias="CASEKEEPER_GRACE_S")
    #: How many cases a worker keeps in memory; others are replayed when they go on.
    cached_cases: int = Field(default=1000, ge=0, validation_alias="CASEKEEPER_CACHED_CASES")
    #: How many activities a worker runs at a time; the Postgres pool is as large.
    activity_slots: int = Field(default=50, ge=1, validation_alias="CASEKEEPER_ACTIVITY_SLOTS")
