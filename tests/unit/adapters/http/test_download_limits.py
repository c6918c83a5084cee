"""Downloads have an end: in time, in bytes, and in patience with nonsense."""

import random
import threading
import time
import tracemalloc

import pytest

from enhancer.adapters.http.download import FRAMING_BYTES_MAX, Downloads
from enhancer.domain.errors import EnhancerError, FileTooLarge, ImageUrlUnreachable
from tests.support.far_server import (
    BYTES_MAX,
    PUBLIC,
    URL,
    Net,
    Server,
    answer,
    make_pems,
    reason,
    sized,
    to,
)  # fmt: skip

SECONDS_MAX = 0.3
SLACK = 10
"""Seconds a busy machine may take longer; a server that is not left dawdles for good."""


@pytest.fixture(scope="module")
def pems(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    make_pems(folder)
    return folder


@pytest.fixture
def net(pems, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(pems / "root.pem"))
    net = Net(Server(pems / "server.pem"))
    yield net
    net.server.close()


def assert_gives_up(net):
    """The download ends with "timeout", and when it was told to."""
    started = time.monotonic()
    assert reason(net, seconds_max=SECONDS_MAX) == "timeout"
    assert SECONDS_MAX - 0.05 < time.monotonic() - started < SECONDS_MAX + SLACK


def head(line, *headers):
    line.sendall(answer(b"", *headers))


HABITS = {
    "nothing": lambda server, line: server.ended.wait(),
    "half a status line": lambda server, line: (line.sendall(b"HTTP/1.1 2"), server.ended.wait()),
    "slow status line": lambda server, line: (line.sendall(b"HTTP/1.1 200 "), server.drip(line)),
    "slow headers": lambda server, line: (line.sendall(b"HTTP/1.1 200 OK\r\n"), server.drip(line, b"A: b\r\n")),
    "endless 100": lambda server, line: server.drip(line, b"HTTP/1.1 100 Continue\r\n\r\n"),
    "slow body": lambda server, line: (head(line, "Content-Length: 1000"), server.drip(line)),
    "slow body without end": lambda server, line: (head(line), server.drip(line)),
    "slow chunks": lambda server, line: (head(line, "Transfer-Encoding: chunked"), server.drip(line, b"1\r\nx\r\n")),
    "half a body": lambda server, line: (head(line, "Content-Length: 1000"), line.sendall(b"x"), server.ended.wait()),
    "slow trailers": lambda server, line: (
        head(line, "Transfer-Encoding: chunked"), line.sendall(b"0\r\n"), server.drip(line, b"A: b\r\n")),
}  # fmt: skip


@pytest.mark.parametrize("habit", HABITS)
def test_a_server_that_dawdles_is_left(net, habit):
    """A byte now and then does not buy more time."""
    net.server.scripts["/a.png"] = lambda line: HABITS[habit](net.server, line)
    assert_gives_up(net)


def test_a_server_that_never_shakes_hands_is_left(net):
    """Silence before TLS counts as well."""
    net.server.before_tls = lambda sock: net.server.ended.wait()
    assert_gives_up(net)


def test_a_server_that_shakes_hands_slowly_is_left(net):
    """So does a handshake that comes byte by byte."""
    net.server.before_tls = lambda sock: (
        sock.sendall(b"\x16\x03\x03\x40\x00"),
        net.server.drip(sock, b"\x02"),
    )
    assert_gives_up(net)


def test_slow_hops_share_one_time(net):
    """A redirect does not start the clock anew."""

    def late(answered):
        return lambda line: (net.server.ended.wait(SECONDS_MAX * 0.4), line.sendall(answered))

    net.server.scripts |= {
        "/a.png": late(to("/1")), "/1": late(to("/2")), "/2": late(to("/3")), "/3": sized(b"x"),
    }  # fmt: skip
    assert_gives_up(net)


def test_a_resolver_that_hangs_is_left():
    """A name server of theirs cannot hold us either."""
    ended, opened = threading.Event(), []
    downloads = Downloads(
        resolve=lambda *asked, **more: ended.wait() and [],
        connect=lambda *asked: opened.append(asked),
        seconds_max=SECONDS_MAX,
    )
    started = time.monotonic()
    with pytest.raises(ImageUrlUnreachable) as failed:
        downloads.get(URL)
    ended.set()
    assert failed.value.details["reason"] == "timeout"
    assert time.monotonic() - started < SECONDS_MAX + SLACK
    assert opened == []


def test_an_address_that_does_not_answer_leaves_time_for_the_next(net):
    """Addresses share the time; the first that answers is used."""
    net.names["pictures.example.com"] = [["2606:4700::1111", "93.184.215.99", PUBLIC]]
    net.server.scripts["/a.png"] = sized(b"picture")
    real, given = net.connect, []

    def connect(address, timeout):
        given.append(timeout)
        if address[0] != PUBLIC:
            net.opened.append(address)
            raise TimeoutError
        return real(address, timeout)

    net.connect = connect
    assert net.get(seconds_max=30.0) == b"picture"
    assert [address for address, _ in net.opened] == ["2606:4700::1111", "93.184.215.99", PUBLIC]
    assert given == pytest.approx([10.0, 15.0, 30.0], abs=3)


def test_a_host_that_never_answers_is_a_time_out(net):
    """The last address decides the word."""

    def connect(address, timeout):
        raise TimeoutError

    net.connect = connect
    assert reason(net) == "timeout"


def test_a_body_of_the_limit_is_taken(net):
    """The cap is the largest size that is allowed."""
    net.server.scripts["/a.png"] = answer(bytes(BYTES_MAX))
    assert len(net.get()) == BYTES_MAX


def test_an_announced_size_beyond_the_limit_is_refused_unread(net):
    """Content-Length alone is enough: not one byte of the body is waited for."""
    net.server.scripts["/a.png"] = lambda line: (
        head(line, f"Content-Length: {BYTES_MAX + 1}"), net.server.ended.wait(),
    )  # fmt: skip
    with pytest.raises(FileTooLarge) as failed:
        net.get()
    assert failed.value.details == {"field": "imageUrl", "size": BYTES_MAX + 1, "limit": BYTES_MAX}


def endless(line, data):
    """Send as fast as it goes until the other end hangs up; remember how much."""
    sent = 0
    try:
        while True:
            line.sendall(data)
            sent += len(data)
    except OSError:
        return sent


@pytest.mark.parametrize("headers", [(), ("Transfer-Encoding: chunked",), ("Content-Length: many",),
                                     ("Content-Length: -1",), ("Content-Length: 5, 5",)], ids=repr)  # fmt: skip
def test_a_body_beyond_the_limit_is_cut_off(net, headers):
    """Without a believable size the bytes are counted as they come."""
    data = b"10000\r\n" + bytes(0x10000) + b"\r\n" if "chunked" in "".join(headers) else bytes(65536)
    net.server.scripts["/a.png"] = lambda line: (head(line, *headers), endless(line, data))
    with pytest.raises(FileTooLarge) as failed:
        net.get()
    assert BYTES_MAX < failed.value.details["size"] <= BYTES_MAX + 65536


@pytest.mark.parametrize(
    ("headers", "first"),
    [
        (("Transfer-Encoding: chunked",), b"-1\r\n"),
        (("Transfer-Encoding: chunked",), b"0\r\n"),
        (("Transfer-Encoding: chunked",), b"1;"),
        (("A: b\r\n" * 200,), b""),
        (("A: " + "b" * 70_000,), b""),
    ],
    ids=["negative chunk", "trailer", "chunk line", "many headers", "long header"],
)
def test_an_endless_frame_takes_no_memory(net, headers, first):
    """What comes beside the body has an allowance too."""
    data = b"x" * 65_535 + (b"\n" if first == b"0\r\n" else b"x")
    net.server.scripts["/a.png"] = lambda line: (
        head(line, *headers),
        line.sendall(first),
        endless(line, data),
    )
    tracemalloc.start()
    try:
        with pytest.raises((FileTooLarge, ImageUrlUnreachable)):
            net.get(seconds_max=20.0)
        assert tracemalloc.get_traced_memory()[1] < 4 * (BYTES_MAX + FRAMING_BYTES_MAX)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("script", [
    b"", b"\r\n", b"HTTP/1.1", b"HTTP/9.9 200 OK\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n", b"\x89PNG\r\n\x1a\n" * 10,
    answer(b"x" * 10, "Content-Length: 11"), answer(b"5\r\nabc", "Transfer-Encoding: chunked"),
    answer(b"3\r\nabc\r\n", "Transfer-Encoding: chunked"), answer(b"zz\r\nabc", "Transfer-Encoding: chunked"),
    answer(b"-5\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
], ids=ascii)  # fmt: skip
def test_a_broken_answer_is_a_broken_connection(net, script):
    """A body that ends too soon is no picture, and nonsense is no HTTP."""
    net.server.scripts["/a.png"] = script
    assert reason(net) == "connection"


def test_a_refused_connection_is_told(net):
    """Nobody listens there."""
    net.server.listener.close()
    assert reason(net) == "connection"


def test_noise_never_causes_an_error_of_another_kind(net):
    """Whatever a server sends, the answer is bytes or one of our errors."""
    chance = random.Random(7)  # noqa: S311 - the same noise every time
    pieces = [b"HTTP/1.1 ", b"200 OK", b"302 Found", b"100 Continue", b"\r\n", b"\n", b"\r\n\r\n", b": ", b"Location: ",
              b"https://", b"Content-Length: ", b"Transfer-Encoding: chunked", b"-1", b"5", b"0", b"\xff", b"\x00",
              b"abc", b"//[", b"Connection: keep-alive"]  # fmt: skip
    kinds = set()
    for _ in range(150):
        net.server.scripts["/a.png"] = b"HTTP/1.1 " + b"".join(
            chance.choices(pieces, k=chance.randint(1, 25))
        )
        try:
            kinds.add(type(net.get()))
        except EnhancerError as failed:
            kinds.add(type(failed))
    assert ImageUrlUnreachable in kinds


@pytest.mark.parametrize(
    "script",
    [
        sized(b"x"),
        to("http://pictures.example.com/"),
        answer(b"x", status="404 No"),
        answer(b"", "Content-Length: 9999999"),
    ],
    ids=["picture", "refused", "missing", "too large"],
)  # fmt: skip
def test_a_connection_is_closed_whatever_comes_of_it(net, script):
    """The server hears the end at once, without waiting for a garbage collection."""
    heard = threading.Event()

    def serve(line):
        line.sendall(script)
        if line.recv(1) == b"":
            heard.set()

    net.server.scripts["/a.png"] = serve
    kept = None
    try:
        net.get()
    except EnhancerError as failed:
        kept = failed
    assert heard.wait(2.0), kept
