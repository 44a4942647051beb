"""Every option of congressd, in one table: each class is a group of the file, each field an option.

A field's type and default are the option's; ``option`` adds what the operator reads. The configuration file's
sample, docs/config.md and the reading of file and environment are all made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class About:
    """What the table says about an option besides type and default.

    ``congress`` is ``[group]/name`` of OpenStack Congress' option of the same meaning, accepted as well.
    """

    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    congress: str = ""
    secret: bool = False


def option(default: str | int | float | bool, help: str, **about: Any) -> Any:  # noqa: A002
    """A field of the table."""
    return field(default=default, metadata={"about": About(help, **about)})


@dataclass(frozen=True, slots=True)
class Default:
    """What every process needs to know."""

    bind_host: str = option("127.0.0.1", "Address that the API listens on.", congress="[DEFAULT]/bind_host")
    bind_port: int = option(
        1789, "TCP port that the API listens on.", minimum=1, maximum=65535, congress="[DEFAULT]/bind_port"
    )
    data_dir: str = option(
        "",
        "Directory of the all-in-one service: its database, its key and the example's files. "
        "Needed by `congressd serve`, where --data-dir says the same.",
    )
    encryption_key_path: str = option(
        "",
        "File with the key that encrypts the secrets of sources in the database; made at the first start, readable "
        "by its owner only. Empty: `secret.key` in data_dir. Without it the secrets cannot be read again.",
        congress="[DEFAULT]/encryption_key_path",
    )
    auth_strategy: str = option(
        "none",
        "Who may call. `none`: everybody who reaches the port; the service then listens on loopback addresses only. "
        "`token`: who has a bearer token, as far as its role allows. Congress' name for `none`, `noauth`, is accepted.",
        choices=("none", "token"),
        congress="[DEFAULT]/auth_strategy",
    )
    tokens_path: str = option(
        "",
        "File of the bearer tokens for auth_strategy `token`; `congressd token create` adds to it. It is read again "
        "when it changes, and on SIGHUP. Empty: `tokens` in data_dir, or else /etc/congressd/tokens.",
    )
    serve_everybody: bool = option(
        False,
        "Listen on other than loopback addresses although auth_strategy is `none`: everybody who reaches the port "
        "may then read and change everything.",
    )
    log_level: str = option(
        "INFO",
        "The least severe message that is logged: by `congressd serve` to `congressd.log` in data_dir, and from "
        "WARNING on also to the terminal; by `congressd pe` and `congressd dsd` to standard error. These two read it "
        "again on SIGHUP.",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
    )
    node: str = option("", "Name of this machine, which no other node of the cluster may have. Empty: its host name.")
    run_dir: str = option(
        "",
        "Directory of the PID files and control sockets of `congressd pe` and `congressd dsd`. Empty: what systemd "
        "names, else /run/congressd.",
    )


@dataclass(frozen=True, slots=True)
class Database:
    """Where policies, sources, pushed rows and logs are kept."""

    connection: str = option(
        "",
        "SQLAlchemy URL, such as mysql+pymysql://congress:password@db.example.org/congress; with "
        "?ssl_ca=/FILE.pem at its end the connection is encrypted, and the server must be who it says. "
        "Empty: the SQLite file `congressd.db` in data_dir.",
        congress="[database]/connection",
        secret=True,
    )


@dataclass(frozen=True, slots=True)
class Bus:
    """What `congressd pe` and `congressd dsd` are joined by."""

    url: str = option(
        "",
        "The nodes of the RabbitMQ cluster, each by its own address: "
        "rabbit://user:password@host1:5672,user:password@host2:5672/virtual_host. With ?ssl_ca=/FILE.pem at the end "
        "connections are encrypted (port 5671 unless given), and the servers' certificate must name every host; "
        "&ssl_cert=/FILE.pem&ssl_key=/FILE.pem gives one of our own.",
        congress="[DEFAULT]/transport_url",
        secret=True,
    )


@dataclass(frozen=True, slots=True)
class Api:
    """The REST API."""

    threads: int = option(8, "Requests that are answered at the same time.", minimum=1, maximum=256)
    graceful_timeout: int = option(
        3, "Seconds that running requests may take to finish when the service stops.", minimum=1, maximum=60
    )


@dataclass(frozen=True, slots=True)
class Pe:
    """The policy engine node."""

    sync_period: float = option(
        10.0,
        "Seconds between looks at the database for changes of policies and sources whose notice was lost.",
        minimum=0.1,
        congress="[DEFAULT]/datasource_sync_period",
    )
    drain_time: float = option(
        3.0,
        "Seconds for which `congressd pe` says that it is not ready, and still takes calls, before it stops: as long "
        "as the load balancer in front of it needs to notice.",
        minimum=0,
        maximum=60,
    )


@dataclass(frozen=True, slots=True)
class Dsd:
    """The datasource node. A node that cannot renew its lease in time stops publishing, so that another may begin."""

    bind_host: str = option(
        "127.0.0.1",
        "Address on which `congressd dsd` answers `/healthz`, `/readyz` and `/metrics`; it may be one that another "
        "node has at the moment, such as the datasource node's virtual address.",
    )
    bind_port: int = option(0, "TCP port of that address. 0: there is no such listener.", minimum=0, maximum=65535)
    lease: float = option(15.0, "Seconds for which a datasource node may publish without renewal.", minimum=1)
    renew_period: float = option(5.0, "Seconds between renewals of the lease.", minimum=0.1)
    lease_margin: float = option(
        2.0, "Seconds before the end of a lease that could not be renewed at which publishing stops.", minimum=0
    )
    sync_period: float = option(
        1.0,
        "Seconds between looks at the database for pushes, and for changes of sources, whose notice was lost. Rows "
        "that were pushed count as out of date four seconds after a look that was due and could not be had.",
        minimum=0.1,
    )
    poll_timeout: float = option(60.0, "Seconds after which a poll of a source is given up.", minimum=0.1)
    poll_threads: int = option(16, "Sources that are polled at the same time.", minimum=1, maximum=1000)
    when_lost: str = option(
        "exit",
        "What `congressd dsd` does when it had to stop publishing because its lease ended or another node took over: "
        "`exit`, so that whoever supervises it may start it again, or `standby`, until it is told to be active.",
        choices=("exit", "standby"),
    )


@dataclass(frozen=True, slots=True)
class Actions:
    """What execute rules and people may do to the world. `congressd dsd` reads it again on SIGHUP."""

    enable_execute_action: bool = option(
        True,
        "The switch of all actions. Off: activations are written down and none is begun.",
        congress="[DEFAULT]/enable_execute_action",
    )
    threads: int = option(32, "Actions that run at the same time; a change takes a restart.", minimum=1, maximum=1000)
    blast_radius_rows: int = option(
        5000,
        "A rule that wants more new actions than this within a minute is stopped until somebody approves or rejects "
        "them. 0: no limit. A rule's own option `blast_radius` takes its place.",
        minimum=0,
    )
    blast_radius_percent: float = option(
        0.0,
        "The same, as a share of the rows of the largest table that the rule rests on. 0: no limit.",
        minimum=0,
        maximum=100,
    )
    keep_days: float = option(30.0, "Days for which activations that are over are kept.", minimum=0.01)
    keep_count: int = option(100000, "How many activations are kept, if those over are more.", minimum=100)
    allowed_urls: str = option(
        "",
        "Beginnings of the addresses that `http:request` and `webhook:notify` may go to, with blanks between them, "
        "such as `https://hooks.example.org/`. Empty: any address.",
    )
    signing_key: str = option(
        "",
        "Key of the HMAC-SHA256 signature that `webhook:notify` adds to its requests, and `http:request` on demand.",
        secret=True,
    )
    commands: str = option(
        "",
        "What `command:run` may run: NAME = /PATH ARGUMENT ..., with semicolons between several, such as "
        "`page = /usr/local/bin/page --urgent`. No shell reads it; arguments of the action follow those given here.",
    )
    mail_server: str = option("", "Host name of the mail server for `mail:send`. Empty: no mail can be sent.")
    mail_port: int = option(25, "TCP port of the mail server.", minimum=1, maximum=65535)
    mail_from: str = option("congressd@localhost", "Sender of mails.")
    mail_user: str = option("", "User name at the mail server. Empty: no login.")
    mail_password: str = option("", "Password at the mail server.", secret=True)
    mail_tls: bool = option(False, "Whether the connection to the mail server is encrypted (STARTTLS).")


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration; the fields are the file's groups, in the file's order."""

    default: Default = Default()
    database: Database = Database()
    bus: Bus = Bus()
    api: Api = Api()
    pe: Pe = Pe()
    dsd: Dsd = Dsd()
    actions: Actions = Actions()


#: Options of Congress that mean nothing here: accepted with a warning, so that its file can be read.
CONGRESS_ONLY = frozenset(
    f"[{group}]/{name}"
    for group, names in {
        "DEFAULT": "max_simultaneous_requests tcp_keepalive tcp_keepidle api_workers api_paste_config drivers "
        "disabled_drivers custom_driver_endpoints replicated_policy_engine policy_library_path tempdir "
        "fatal_exception_format_errors debug log_file log_dir "
        "use_syslog use_stderr syslog_log_facility logging_context_format_string",
        "dse": "bus_id ping_timeout long_timeout time_to_resub execute_action_retry execute_action_retry_timeout",
        "json_ingester": "enable config_path config_reusables_path db_connection",
        "database": "max_pool_size max_overflow pool_timeout backend slave_connection connection_recycle_time",
        "agent": "host version max_delay services",
    }.items()
    for name in names.split()
)

#: Groups of the libraries of an OpenStack service, read by nobody here: accepted with a warning.
FOREIGN_GROUPS = ("keystone_authtoken", "cors", "oslo_", "service_credentials", "healthcheck")
