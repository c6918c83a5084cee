"""A TLS server with every bad habit, and a net of names in which it seems to have a public address."""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
import traceback

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from enhancer.adapters.http.download import Downloads
from enhancer.domain.errors import ImageUrlUnreachable

PUBLIC = "93.184.215.14"
HOSTS = ("pictures.example.com", "cdn.example.net", "xn--bcher-kva.example.com")
URL = "https://pictures.example.com/a.png"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1000
BYTES_MAX = 300_000
SLOW = 0.05


def certificate(subject, key, signer, issuer, *, authority=False, names=()):
    """One certificate, valid for a day, as strict verifiers want it."""
    now = dt.datetime.now(dt.UTC)
    one_day = dt.timedelta(days=1)
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                           "crl_sign", "encipher_only", "decipher_only"), False)  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - one_day).not_valid_after(now + one_day)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=authority, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, names or ("ca.example",)),
                                                    x509.IPAddress(ipaddress.ip_address(PUBLIC))]), critical=False)
        .sign(signer, hashes.SHA256())
    )  # fmt: skip


def make_pems(folder):
    """Write a certificate authority, a server certificate it signed, and one that signed itself."""
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    made = {
        "root": [certificate("ca", root, root, "ca", authority=True)],
        "server": [leaf, certificate("server", leaf, root, "ca", names=HOSTS)],
        "stranger": [leaf, certificate("server", leaf, leaf, "server", names=HOSTS)],
    }
    for name, parts in made.items():
        (folder / f"{name}.pem").write_bytes(b"".join(
            part.public_bytes(serialization.Encoding.PEM) if isinstance(part, x509.Certificate)
            else part.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                    serialization.NoEncryption()) for part in parts))  # fmt: skip


class Server:
    """Answers each connection with the script of its path: bytes, or a function that is given the connection."""

    def __init__(self, pem):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)
        self.context.sni_callback = lambda _sock, name, _context: self.names.append(name)
        self.scripts, self.names, self.requests, self.accepted = {}, [], [], 0
        self.before_tls = lambda sock: None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.ended = threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with contextlib.suppress(OSError):
            self.before_tls(sock)
            with self.context.wrap_socket(sock, server_side=True) as line:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    request += line.recv(65536)
                self.requests.append(request.decode("ascii"))
                script = self.scripts[request.split()[1].decode()]
                line.sendall(script) if isinstance(script, bytes) else script(line)

    def close(self):
        """Let go of everybody."""
        self.ended.set()
        self.listener.close()

    def drip(self, line, data=b"x"):
        """Send ``data`` again and again, slowly, until the test is over or the other end hangs up."""
        while not self.ended.wait(SLOW):
            line.sendall(data)


class Net:
    """The names of the test, and a connector that leads public-looking addresses to the server."""

    def __init__(self, server):
        self.server, self.asked, self.opened = server, [], []
        self.names = {host: [[PUBLIC]] for host in HOSTS} | {"inside.example.com": [["10.0.0.1"]]}

    def resolve(self, host, port, *, type):
        self.asked.append(host)
        answers = self.names[host]
        now = answers[min(self.asked.count(host), len(answers)) - 1]
        return [(socket.AF_INET, type, 6, "", (address, port)) for address in now]

    def connect(self, address, timeout):
        self.opened.append(address)
        sock = socket.create_connection(self.server.listener.getsockname(), timeout)
        sock.settimeout(30)  # a download keeps its own time
        return sock

    def get(self, url=URL, **more):
        limits = {"seconds_max": 5.0, "bytes_max": BYTES_MAX} | more
        return Downloads(resolve=self.resolve, connect=self.connect, **limits).get(url)


def answer(body=b"", *headers, status="200 OK"):
    """An HTTP answer that ends with the connection."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1") + body


def sized(body):
    return answer(body, f"Content-Length: {len(body)}")


def to(location, status="302 Found"):
    return answer(b"", f"Location: {location}", "Content-Length: 0", status=status)


def reason(net, error=ImageUrlUnreachable, url=URL, **more):
    """Download in vain; return the word that says why."""
    with pytest.raises(error) as failed:
        net.get(url, **more)
    assert failed.value.details["field"] == "imageUrl"
    assert "example" not in "".join(traceback.format_exception(failed.value))
    return failed.value.details["reason"]
