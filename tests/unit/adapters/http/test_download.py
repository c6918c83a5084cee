"""Downloads from a real TLS server, reached through a public-looking address."""

import gzip
import ssl
from itertools import pairwise

import pytest

from enhancer.adapters.http.download import REDIRECTS_MAX
from enhancer.domain.errors import ImageUrlRefused, ImageUrlUnreachable
from tests.support.far_server import PICTURE, PUBLIC, Net, Server, answer, make_pems, reason, sized, to


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


CHUNKED = answer(b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n", "Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    ("script", "body"),
    [(sized(PICTURE), PICTURE), (answer(PICTURE), PICTURE), (CHUNKED, b"abcdefg"), (sized(b""), b"")],
    ids=["announced", "until the end", "chunked", "empty"],
)
def test_a_picture_arrives_whole(net, script, body):
    """Whichever way HTTP has of saying where a body ends."""
    net.server.scripts["/a.png"] = script
    assert net.get() == body
    assert net.opened == [(PUBLIC, 443)]


def test_a_request_is_plain_and_names_the_host(net):
    """The server hears the name in TLS and HTTP, and nothing about us but that we like pictures."""
    net.server.scripts["/a%20b.png?x=1"] = sized(PICTURE)
    net.get("https://BÜCHER.example.com/a b.png?x=1#part")
    first, *lines = net.server.requests[0].strip().split("\r\n")
    assert first == "GET /a%20b.png?x=1 HTTP/1.1"
    assert net.server.names == ["xn--bcher-kva.example.com"]
    assert dict(line.split(": ") for line in lines) == {
        "Host": "xn--bcher-kva.example.com", "Accept": "image/*", "Accept-Encoding": "identity",
        "User-Agent": "image-enhancer/1.0", "Connection": "close",
    }  # fmt: skip


def test_proxies_of_the_environment_are_not_used(net, monkeypatch):
    """Whatever the environment says, the connection goes to the vetted address."""
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    net.server.scripts["/a.png"] = sized(PICTURE)
    assert net.get() == PICTURE
    assert net.opened == [(PUBLIC, 443)]


def test_a_name_that_changes_its_mind_is_not_asked_again(net):
    """The vetted address is the one connected to: a second, private answer is never seen."""
    net.names["pictures.example.com"] = [[PUBLIC], ["169.254.169.254"]]
    net.server.scripts["/a.png"] = sized(PICTURE)
    assert net.get() == PICTURE
    assert (net.asked, net.opened) == (["pictures.example.com"], [(PUBLIC, 443)])


def test_a_redirect_to_a_name_that_changed_its_mind_is_refused(net):
    """Each hop is vetted from scratch, even on the same host."""
    net.names["pictures.example.com"] = [[PUBLIC], ["169.254.169.254"]]
    net.server.scripts["/a.png"] = to("/b.png")
    assert reason(net, ImageUrlRefused) == "address"
    assert net.opened == [(PUBLIC, 443)]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("location", ["/b.png?x=1", "b.png?x=1", "//cdn.example.net/b.png?x=1",
                                      "https://cdn.example.net:443/b.png?x=1#y"])  # fmt: skip
def test_a_redirect_is_followed(net, status, location):
    """Relative and absolute, to the same host and to another."""
    net.server.scripts |= {"/a.png": to(location, status), "/b.png?x=1": sized(PICTURE)}
    assert net.get() == PICTURE
    assert net.server.names[1] == ("cdn.example.net" if "cdn" in location else "pictures.example.com")


def test_a_redirect_with_raw_letters_is_followed(net):
    """Servers send UTF-8 and spaces in Location; they arrive percent-encoded."""
    net.server.scripts |= {
        "/a.png": to("/b ä.png".encode().decode("latin-1")),
        "/b%20%C3%A4.png": sized(PICTURE),
    }
    assert net.get() == PICTURE


def test_cookies_are_not_kept_from_hop_to_hop(net):
    """What a server sets is never sent, to it or to others."""
    net.server.scripts |= {
        "/a.png": answer(b"", "Set-Cookie: a=b", "Location: /b.png", status="302 Found"),
        "/b.png": sized(PICTURE),
    }
    net.get()
    assert "cookie" not in net.server.requests[1].lower()


BAD_HOPS = [
    ("https://169.254.169.254/latest/meta-data/", "address"), ("https://inside.example.com/", "address"),
    ("//127.0.0.1/", "address"), ("https://[::1]/", "address"), ("http://pictures.example.com/b.png", "scheme"),
    ("http://127.0.0.1:9001/", "scheme"), ("file:///etc/passwd", "scheme"),
    ("https://pictures.example.com:8443/", "port"), ("https://me@pictures.example.com/", "credentials"),
    ("https:\\\\127.0.0.1/", "malformed"), ("https://[::1/", "malformed"),
]  # fmt: skip


@pytest.mark.parametrize("hop", [1, 3])
@pytest.mark.parametrize(("location", "why"), BAD_HOPS)
def test_a_redirect_into_private_is_refused(net, hop, location, why):
    """The last hop is vetted like the first URL; nothing beyond it is connected to."""
    paths = ["/a.png", "/1", "/2"]
    for here, there in pairwise(paths[:hop]):
        net.server.scripts[here] = to(f"https://cdn.example.net{there}")
    net.server.scripts[paths[hop - 1]] = to(location)
    assert reason(net, ImageUrlRefused) == why
    assert net.opened == [(PUBLIC, 443)] * hop
    assert net.server.accepted == hop


def test_the_third_redirect_is_the_last(net):
    """Three are followed; a fourth is refused without a look at where it leads."""
    net.server.scripts |= {"/a.png": to("/1"), "/1": to("/2"), "/2": to("/3"), "/3": sized(PICTURE)}
    assert net.get() == PICTURE
    net.server.scripts["/3"] = to("/4")
    net.opened.clear()
    assert reason(net, ImageUrlRefused) == "redirects"
    assert len(net.opened) == REDIRECTS_MAX + 1


def test_a_certificate_for_another_name_is_refused(net):
    """Nothing is asked of a server that cannot prove it is the host; its address proves nothing."""
    net.names["other.example.com"] = [[PUBLIC]]
    assert reason(net, url="https://other.example.com/a.png") == "tls"
    assert net.server.requests == []


def test_a_certificate_from_nobody_we_trust_is_refused(pems, net):
    """A certificate that vouches for itself is none."""
    net.server.context.load_cert_chain(pems / "stranger.pem")
    assert reason(net) == "tls"
    assert net.server.requests == []


def test_a_server_without_tls_is_refused(net):
    """There is no plain HTTP, on no port."""
    net.server.before_tls = lambda sock: sock.sendall(sized(PICTURE))
    assert reason(net) == "tls"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_tls_is_refused(net):
    """TLS 1.2 is the least."""
    net.server.context.minimum_version = ssl.TLSVersion.TLSv1
    net.server.context.maximum_version = ssl.TLSVersion.TLSv1_1
    net.server.context.set_ciphers("ALL:@SECLEVEL=0")
    assert reason(net) == "tls"


@pytest.mark.parametrize("status", [204, 206, 304, 401, 403, 404, 410, 429, 500, 503])
def test_any_status_but_200_is_told(net, status):
    """The caller learns what the server said, as a number."""
    net.server.scripts["/a.png"] = answer(b"sorry", status=f"{status} No")
    with pytest.raises(ImageUrlUnreachable) as failed:
        net.get()
    assert failed.value.details == {"field": "imageUrl", "reason": "status", "status": status}


def test_a_redirect_to_nowhere_is_a_status(net):
    """Without Location there is nothing to follow."""
    net.server.scripts["/a.png"] = answer(status="302 Found")
    assert reason(net) == "status"


def test_a_compressed_answer_is_not_unpacked(net):
    """A bomb stays as small as it was sent."""
    bomb = gzip.compress(bytes(50_000_000))
    net.server.scripts["/a.png"] = answer(bomb, "Content-Encoding: gzip", f"Content-Length: {len(bomb)}")
    assert net.get() == bomb
