"""The environment, read here and nowhere else."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cases.errors import InvalidInput

LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(lambda level: str(level).upper())
]


class Settings(BaseSettings):
    """What can be set. Temporal's own variables are read by `temporalio.envconfig`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_prefix="CASEKEEPER_", validate_by_name=True
    )

    #: "production" refuses to start with what is not safe there.
    profile: Literal["development", "production"] = "development"
    #: Where the embedded servers keep their data, and approvers' tokens lie.
    home: Path = Path(".casekeeper")
    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL")
    #: The role that owns the tables, for `casekeeper migrate`; the same where it is not set.
    owner_database_url: str | None = Field(default=None, validation_alias="OWNER_DATABASE_URL")
    redis_url: str | None = Field(default=None, validation_alias="REDIS_URL")
    #: The sandbox's own database; the same as Casekeeper's where it is not set.
    sandbox_database_url: str | None = Field(default=None, validation_alias="SANDBOX_DATABASE_URL")
    #: The key for Temporal; a worker takes over a new one without a restart.
    temporal_api_key_file: Path | None = None
    #: "acknowledged": production may use a Temporal that knows its clients by other means.
    temporal_auth: Literal["", "acknowledged"] = ""
    #: "acknowledged": in production, health and metrics may listen beyond this machine.
    listening: Literal["", "acknowledged"] = ""
    #: The keys that all Temporal stores is encrypted with. Under `home` for the embedded one.
    payload_keys: Path | None = None
    #: The keys that wrap each customer's own, with which all that Postgres and Redis hold of them
    #: is encrypted. Under `home` for the embedded stack.
    customer_keys: Path | None = None
    #: Where people find the Temporal Web UI, for links.
    web_url: str | None = None
    #: Which language model understands and writes: "offline", or such as "openai:gpt-5".
    model: str = "offline"
    #: Any server that speaks OpenAI's protocol, and the key that it wants.
    model_url: str = ""
    model_key: SecretStr = SecretStr("")
    #: Which one is asked where that one does not answer; the offline one is the last in any case.
    model_fallback: str = ""
    model_fallback_url: str = ""
    model_fallback_key: SecretStr = SecretStr("")
    #: The providers' own keys, which no other server is told.
    openai_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="OPENAI_API_KEY")
    anthropic_api_key: SecretStr = Field(
        default=SecretStr(""), validation_alias="ANTHROPIC_API_KEY"
    )
    #: How long one call of a model may take, in seconds.
    model_timeout_s: int = Field(default=20, ge=1, le=30)
    #: How often each model may be called by all workers together, and all of them for one
    #: customer: "60/min".
    model_rate: str = ""
    customer_rate: str = ""
    #: What models may cost for one case, and for one customer in 24 hours:
    #: "8 calls, 60000 tokens, 120 s, 0.50 USD".
    case_budget: str = ""
    customer_budget: str = ""
    #: Who moves the money: "sandbox" or "stripe".
    payments: str = "sandbox"
    stripe_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="STRIPE_API_KEY")
    #: The account's id or a name of your own. Part of every refund's key: never change it.
    stripe_account: str = ""
    #: Another address than Stripe's own, for tests.
    stripe_url: str = ""
    log_level: LogLevel = "INFO"
    #: "otlp" sends spans to an OpenTelemetry collector; OTEL_* variables say where.
    traces: Literal["", "otlp"] = ""
    #: Where Prometheus scrapes a worker, and where probes ask it: "127.0.0.1:9464"; off if empty.
    metrics_address: str = ""
    health_address: str = ""
    #: Whoever holds it approves in its owner's name.
    approver_token: str | None = Field(default=None, repr=False)
    #: Which build a worker is; cases stay with the one that began them. Empty: not versioned.
    build_id: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})?$")
    #: How long a stopping worker lets its activities finish, in seconds.
    grace_s: int = Field(default=30, ge=0, le=3600)
    #: How many cases a worker keeps in memory; others are replayed when they go on.
    cached_cases: int = Field(default=1000, ge=0)
    #: How many activities a worker runs at a time; the Postgres pool is as large.
    activity_slots: int = Field(default=20, ge=1)
    #: How many polls of each kind a worker has open at most; how many it takes is found by itself.
    pollers_max: int = Field(default=20, ge=2)
    #: Signs the heads of the audit trail; its public half lies beside it. Under `home` if not set.
    audit_key: Path | None = None
    #: The file of the signed heads. Under `home` if not set.
    audit_heads: Path | None = None
    #: How often a worker signs the heads that are new, in seconds.
    audit_every_s: float = Field(default=10, gt=0)


def read_settings() -> Settings:
    """The settings of this process; raises InvalidInput that names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"CASEKEEPER_{name.upper()}"
        raise InvalidInput(variable, first["msg"]) from error
