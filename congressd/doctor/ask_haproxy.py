"""Probes of HAProxy: its configuration, the servers that it sees, the API's address and certificate."""

from __future__ import annotations

import csv
import http.client
import re
import socket
import ssl
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from congressd.doctor.ask_http import ask_api
from congressd.doctor.ask_pacemaker import Address, cluster_for_more, read_address, read_addresses
from congressd.doctor.finding import Failed, NotHere
from congressd.doctor.place import ANSWER, Place

VIP: Final = "vip-api"  #: the resource of the API's address
_ADVICE: Final = "`systemctl status haproxy`; run the doctor as root"


@dataclass(frozen=True, slots=True)
class Bind:
    """Where the frontend of the API listens; ``certificate`` is empty without TLS."""

    host: str
    port: int
    certificate: str


@dataclass(frozen=True, slots=True)
class Server:
    """A server as HAProxy sees it."""

    backend: str
    name: str
    status: str
    check: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate that the API shows: its first, which is the server's own."""

    file: str
    names: tuple[str, ...]
    begins: datetime
    ends: datetime
    address: str  #: where the API listens
    served: bool | None = None  #: whether it is what the API shows there; None: nothing answers


def read_bind(text: str) -> Bind | None:
    """Where ``frontend api`` of a configuration of HAProxy listens."""
    section = ""
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if not line[0].isspace():
            section = " ".join(words)
        elif section == "frontend api" and words[0] == "bind":
            host, _, port = words[1].rpartition(":")
            if port.isdecimal():
                certificate = words[words.index("crt") + 1] if "crt" in words[:-1] else ""
                return Bind(host.strip("[]") or "127.0.0.1", int(port), certificate)
    return None


def _bind(place: Place) -> Bind:
    """Raises NotHere, Failed."""
    file = place.paths.haproxy_config
    try:
        found = read_bind(file.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        raise NotHere("there is no HAProxy on this node") from None
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}", "run the doctor as root") from None
    if found is None:
        raise NotHere(f"{file} has no frontend of congressd's API")
    return found


def command(place: Place, text: str) -> str:
    """The answer to a command on HAProxy's socket. Raises NotHere, Failed."""
    path = place.paths.haproxy_socket
    if not path.exists():
        _bind(place)
        raise Failed(f"HAProxy does not run: there is no {path}", _ADVICE)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as conversation:
            conversation.settimeout(ANSWER)
            conversation.connect(str(path))
            conversation.sendall(text.encode() + b"\n")
            received = b""
            while part := conversation.recv(65536):
                received += part
                if len(received) > 10_000_000:
                    break
    except OSError as error:
        raise Failed(f"HAProxy does not answer at {path}: {error.strerror or error}", _ADVICE) from None
    return received.decode(errors="replace")


def ask_servers(place: Place) -> list[Server]:
    """What HAProxy sees. Raises NotHere, Failed."""
    return read_servers(command(place, "show stat"))


def read_servers(text: str) -> list[Server]:
    """The servers in HAProxy's CSV of figures."""
    rows = csv.DictReader(text.lstrip("# ").splitlines())
    return [
        Server(row["pxname"], row["svname"], row["status"], row.get("last_chk") or row.get("check_status") or "")
        for row in rows
        if row.get("type") == "2"
    ]


def policy_engines(place: Place) -> list[tuple[str, int]]:
    """Host and port of each policy engine that HAProxy was told of. Raises NotHere, Failed."""
    found = read_addresses_of(command(place, "show servers state pe"))
    if not found:
        raise NotHere("HAProxy knows no policy engine")
    return found


def read_addresses_of(text: str) -> list[tuple[str, int]]:
    """Addresses and ports in the output of `show servers state`."""
    names: list[str] = []
    found = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["#"]:
            names = words[1:]
        elif names and len(words) >= len(names) - 2:
            row = dict(zip(names, words, strict=False))
            if row.get("srv_port", "").isdecimal():
                found.append((row["srv_addr"], int(row["srv_port"])))
    return found


def ask_certificate(place: Place) -> Certificate:
    """The API's certificate. Raises NotHere, Failed."""
    bind = _bind(place)
    if not bind.certificate:
        raise NotHere("the API is served without TLS")
    try:
        pem = Path(bind.certificate).read_bytes()
        return replace(read_certificate(pem, bind), served=_is_served(pem, bind))
    except (OSError, ValueError) as error:
        raise Failed(
            f"the certificate {bind.certificate} cannot be read: {getattr(error, 'strerror', None) or error}",
            "give certificate and key as one PEM file in `api_certificate` of the inventory, and run site.yml",
        ) from None


def read_certificate(pem: bytes, bind: Bind) -> Certificate:
    """The first certificate of a PEM file. Raises ValueError."""
    from cryptography import x509

    made = x509.load_pem_x509_certificate(_first(pem))
    try:
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        told = tuple(str(each.value) for each in names)
    except x509.ExtensionNotFound:
        told = ()
    return Certificate(bind.certificate, told, made.not_valid_before_utc, made.not_valid_after_utc, bind.host)


def _first(pem: bytes) -> bytes:
    """Raises ValueError."""
    found = re.search(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", pem, re.DOTALL)
    if found is None:
        raise ValueError("it holds no certificate")
    return found[0]


def _is_served(pem: bytes, bind: Bind) -> bool | None:
    """Whether the first certificate of a PEM file is the one that a handshake brings. Raises ValueError."""
    host = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind.host, bind.host)
    context = ssl._create_unverified_context()  # whichever it is: clients' reasons to refuse it are judged elsewhere
    try:
        with (
            socket.create_connection((host, bind.port), ANSWER) as conversation,
            context.wrap_socket(conversation) as encrypted,
        ):
            shown = encrypted.getpeercert(binary_form=True)
    except OSError:
        return None
    return shown == ssl.PEM_cert_to_DER_cert(_first(pem).decode("ascii"))


def ask_address(place: Place) -> Address:
    """The API's address that moves between the nodes. Raises NotHere, Failed."""
    cluster = cluster_for_more(place)
    resource = next((each for each in cluster.resources if each.id == VIP), None)
    if resource is None:
        raise NotHere(f"Pacemaker has no resource {VIP}")
    ip = read_address(place.run("cibadmin", "--query", "--scope", "resources").text, VIP)
    here = place.run("crm_node", "--name").text.strip()
    held = ip in read_addresses(place.run("ip", "-j", "address").text)
    bind = _bind(place)
    connection: http.client.HTTPConnection | None = None
    if bind.certificate:
        # Only whether it answers is asked, and nothing is sent; the certificate has a check of its own.
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(ip, bind.port, timeout=ANSWER, context=context)
    api = ask_api(ip, bind.port, connection)
    answer = api.silence or ("" if api.ready else "; ".join(api.missing) or "it is not ready")
    return Address(ip, VIP, here, resource.nodes, held, api.address, answer)
