"""The control plane over RabbitMQ, by oslo.messaging.

oslo.messaging is asked for little: at-most-once calls with a deadline, and fanout. It runs on threads; importing it
imports eventlet, which must never patch anything here. All its queues are quorum queues, with names that stay the
same over restarts, so that they are found again and not left behind.

Whatever may wait for a broker that is away (oslo.messaging would, for ever) runs on threads of `Workers`, so that
`call` keeps its deadline, and `serve`, `listen` and `notify` return at once.
"""

from __future__ import annotations

import base64
import logging
import os
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from oslo_config import cfg

os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")  # a fifth of a second that nobody needs
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=r"(?s).*eventlet", category=Warning)
    import oslo_messaging
    from oslo_concurrency import lockutils
    from oslo_messaging import opts as oslo_opts
    from oslo_messaging._drivers import amqpdriver

from congressd.bus.control import LONGEST_CALL, Method, NoticeHandler, Registration, hear, run_method
from congressd.bus.oslo_doctor import Doctor
from congressd.bus.rabbit_streams import RabbitOptions, left
from congressd.bus.wire import DecodeError, pack, unpack
from congressd.bus.workers import Workers
from congressd.model.errors import CongressError
from congressd.model.tls import Tls, split_tls

_LOG = logging.getLogger(__name__)
_EXCHANGE: Final = "congressd"
_HOST: Final = socket.gethostname()

#: What is set otherwise than oslo.messaging's own defaults.
_RABBIT: Final[Mapping[str, object]] = {
    "rabbit_quorum_queue": True,
    "rabbit_transient_quorum_queue": True,
    "rabbit_stream_fanout": False,  # else 18.3 loses its streams for good when the broker was killed: no prefetch then
    "rabbit_transient_queues_ttl": 600,
    "use_queue_manager": True,
    "rabbit_qos_prefetch_count": 20,
    "heartbeat_timeout_threshold": 15,
    "rabbit_interval_max": 5,
    "kombu_reconnect_delay": 0.5,
    "kombu_reconnect_splay": 1.0,
    "kombu_missing_consumer_retry_timeout": 5,
}


def _generation() -> tuple[int, int]:
    """This process: its id, and when it was started in ticks of the kernel."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return os.getpid(), int(fields[19])


# oslo.messaging counts a node's queues for each process group, and fails for ever once the leader of the group has
# ended: a script that started us, say. Here each node's name belongs to one process.
amqpdriver.QManager._service_identity = staticmethod(_generation)


def oslo_url(urls: tuple[str, ...]) -> str:
    """The transport URL that names all hosts of ``urls``, which are as `RabbitOptions` has them."""
    parts = [urlsplit(split_tls(url)[0]) for url in urls]
    return "rabbit://" + ",".join(part.netloc for part in parts) + parts[0].path


def _configuration(node: str, tls: Tls | None) -> cfg.ConfigOpts:
    """oslo.messaging's options, in an object of our own.

    Its options for tracing and metrics are known to the global object only, yet every call looks for them in this
    one: so the switches of both are added here.
    """
    conf = cfg.ConfigOpts()
    for group, options in oslo_opts.list_opts():
        conf.register_opts(options, group)
    for name in ("tracing", "metrics"):
        conf.register_opt(cfg.BoolOpt(f"{name}_enabled", default=False), f"oslo_messaging_{name}")
    conf([], default_config_files=[], default_config_dirs=[])
    for name, value in _RABBIT.items():
        conf.set_override(name, value, "oslo_messaging_rabbit")
    conf.set_override("hostname", _HOST, "oslo_messaging_rabbit")
    conf.set_override("processname", f"congressd-{node}", "oslo_messaging_rabbit")
    conf.set_override("executor_thread_pool_size", 8)
    if tls is not None:
        named = {"ssl": True, "ssl_ca_file": tls.ca, "ssl_cert_file": tls.certificate, "ssl_key_file": tls.key}
        for name, value in named.items():
            conf.set_override(name, value, "oslo_messaging_rabbit")
    return conf


def _encode(item: Any) -> str:
    return base64.b85encode(pack(item)).decode()


def _decode(text: str) -> Any:
    try:
        return unpack(base64.b85decode(text))
    except ValueError as error:
        raise DecodeError(str(error)) from None


class _Endpoint:
    """What oslo.messaging calls for a target: one method that finds ours."""

    target = oslo_messaging.Target(version="1.0")

    def __init__(self, target: str, methods: Mapping[str, Method], stopping: threading.Event) -> None:
        self._target = target
        self._methods = methods
        self._stopping = stopping

    def invoke(self, _context: object, name: str, args: str) -> str:
        if self._stopping.is_set():
            return _encode({"code": "unavailable", "detail": f"this node does not serve {self._target!r} any longer"})
        try:
            return _encode({"result": run_method(self._target, self._methods, name, _decode(args))})
        except CongressError as error:
            return _encode({"code": error.code.name, "detail": error.detail})
        except TypeError as error:
            return _encode({"code": "internal", "detail": f"the answer of {name!r} cannot travel: {error}"})


class _Ear:
    """What oslo.messaging calls for a topic."""

    target = oslo_messaging.Target(version="1.0")

    def __init__(self, topic: str, handler: NoticeHandler, stopping: threading.Event) -> None:
        self._topic = topic
        self._handler = handler
        self._stopping = stopping

    def notice(self, _context: object, payload: str) -> None:
        if not self._stopping.is_set():
            hear(self._topic, self._handler, _decode(payload))


class _Server:
    """A server of oslo.messaging, started and stopped on a thread, since both may wait for the broker."""

    def __init__(self, make: Callable[[], Any], name: str, pool: int, stopping: threading.Event) -> None:
        """``stopping`` is shared with the endpoint, which refuses what oslo.messaging still brings it then."""
        self._make = make
        self._pool = pool
        self._stopping = stopping
        self._thread = threading.Thread(target=self._run, name=f"bus-server-{name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """See `Registration`; returns at once, while oslo.messaging takes its time."""
        self._stopping.set()

    def join(self, timeout: float) -> bool:
        """Wait until it has ended after `stop`; False if it has not in time."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        server = self._make()
        server.start(override_pool_size=self._pool)
        self._stopping.wait()
        server.stop()
        server.wait()


class OsloControl:
    """See `congressd.bus.control.Control`. ``node`` must be unique among all processes, and stay over restarts.

    ``urls`` are as in `congressd.bus.rabbit_streams.RabbitOptions`. ``lock_path`` is a directory of this user alone,
    for oslo.messaging's count of queues.
    """

    def __init__(self, urls: tuple[str, ...], node: str, lock_path: Path | None = None) -> None:
        self._node = node
        locks = lock_path or Path(tempfile.gettempdir()) / f"congressd-locks-{os.getuid()}"
        locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        lockutils.set_defaults(str(locks))
        self._transport = oslo_messaging.get_rpc_transport(
            _configuration(node, split_tls(urls[0])[1]), url=oslo_url(urls)
        )
        self._callers = Workers("bus-call", 8)
        self._notifier = Workers("bus-notify", 4)
        self._servers: list[_Server] = []
        self._topics: tuple[str, ...] = ()
        self._doctor = Doctor(RabbitOptions(urls), self._queues)

    def serve(self, target: str, methods: Mapping[str, Method]) -> Registration:
        stopping = threading.Event()
        return self._started(f"target.{target}", _Endpoint(target, methods, stopping), 8, stopping)

    def call(self, target: str, method: str, args: Mapping[str, Any] | None = None, timeout: float = 5.0) -> Any:
        seconds = min(timeout, LONGEST_CALL)
        deadline = time.monotonic() + seconds
        payload = _encode(dict(args or {}))

        def invoke() -> str:
            client = self._client(oslo_messaging.Target(topic=f"target.{target}"), left(deadline))
            answer: str = client.call({}, "invoke", name=method, args=payload)
            return answer

        future = self._callers.submit(invoke)
        try:
            answer = _decode(future.result(seconds))
        except (Exception, CancelledError) as error:  # oslo.messaging has no root of its errors
            future.cancel()
            _LOG.info("a call was not answered target=%s method=%s error=%r", target, method, error)
            raise CongressError("unavailable", f"{target!r} did not answer {method!r} within {seconds:g} s") from None
        if "result" in answer:
            return answer["result"]
        raise CongressError(answer["code"], answer["detail"])

    def notify(self, topic: str, payload: Any) -> None:
        text = _encode(payload)

        def cast() -> None:
            try:
                target = oslo_messaging.Target(topic=f"notice.{topic}", fanout=True)
                self._client(target, LONGEST_CALL).cast({}, "notice", payload=text)
            except Exception as error:  # oslo.messaging has no root of its errors; the notice is lost whatever it is
                _LOG.warning("a notice could not be sent topic=%s error=%r", topic, error)

        if self._notifier.submit(cast).cancelled():
            _LOG.warning("a notice was not sent, since too many wait topic=%s", topic)

    def listen(self, topic: str, handler: NoticeHandler) -> Registration:
        stopping = threading.Event()
        return self._started(f"notice.{topic}", _Ear(topic, handler, stopping), 1, stopping)

    def close(self, timeout: float = 5.0) -> None:
        """Stop everything served and listened to, within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        for server in self._servers:
            server.stop()
        self._callers.close()
        self._notifier.close()
        self._doctor.close(0.0)
        cleaning = Workers("bus-close", 1).submit(self._transport.cleanup)
        ended = [server.join(left(deadline)) for server in self._servers]
        try:
            cleaning.result(left(deadline))
        except FutureTimeoutError:
            ended.append(False)
        if not all(ended):
            _LOG.info("the control plane is left to end by itself node=%s", self._node)

    def _client(self, target: Any, seconds: float) -> Any:
        target.exchange, target.version = _EXCHANGE, "1.0"
        return oslo_messaging.get_rpc_client(self._transport, target, timeout=seconds, retry=1)

    def _started(self, topic: str, endpoint: object, pool: int, stopping: threading.Event) -> Registration:
        target = oslo_messaging.Target(exchange=_EXCHANGE, topic=topic, server=self._node)
        policy = oslo_messaging.DefaultRPCAccessPolicy
        server = _Server(
            lambda: oslo_messaging.get_rpc_server(self._transport, target, [endpoint], access_policy=policy),
            topic,
            pool,
            stopping,
        )
        self._servers.append(server)
        self._topics += (topic,)
        return server

    def _queues(self) -> Iterator[str]:
        """The names that oslo.messaging gives to this node's queues, and a few that it may give later."""
        numbered = [f"{_HOST}:congressd-{self._node}:{number + 1}" for number in range(len(self._topics) + 2)]
        for topic in self._topics:
            yield topic
            yield f"{topic}.{self._node}"
            yield from (f"{topic}_fanout_{name}" for name in numbered)
        yield from (f"reply_{name}" for name in numbered)
