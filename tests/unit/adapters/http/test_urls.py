"""URLs from strangers: what is refused before anything is asked or opened."""

import socket
import traceback

import pytest

from enhancer.adapters.http.download import ADDRESSES_MAX, Downloads
from enhancer.adapters.http.urls import URL_CHARACTERS_MAX, public, vetted
from enhancer.domain.errors import ImageUrlRefused, ImageUrlUnreachable

PUBLIC = "93.184.215.14"
HOSTILE = {
    "scheme": [
        "http://pictures.example.com/a.png", "file:///etc/passwd", "file://pictures.example.com/a.png",
        "gopher://127.0.0.1:6379/_INFO", "ftp://pictures.example.com/a.png", "data:image/png;base64,AAAA",
        "javascript:alert(1)", "dict://127.0.0.1:11211/stats", "//pictures.example.com/a.png", "/a.png", "",
        "wss://pictures.example.com/", "pictures.example.com/a.png", "jar:https://pictures.example.com!/a",
    ],
    "credentials": [
        "https://user:word@pictures.example.com/a.png", "https://user@pictures.example.com/",
        "https://pictures.example.com@127.0.0.1/", "https://@pictures.example.com/",
        "https://pictures.example.com:443@169.254.169.254/latest/meta-data/",
    ],
    "port": [
        "https://pictures.example.com:80/", "https://pictures.example.com:8443/", "https://pictures.example.com:0/",
        "https://pictures.example.com:22/", "https://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
    ],
    "address": [
        "https://169.254.169.254/latest/meta-data/", "https://127.0.0.1/", "https://127.1/", "https://127.0.1/",
        "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0X7F.1/", "https://017700000001/",
        "https://0177.0.0.1/", "https://2130706433/", "https://2852039166/", "https://0/", "https://0.0.0.0/",
        "https://10.0.0.1/", "https://127.0.0.1./", "https://2130706433./", "https://192.168.0.1:443/",
        "https://[::1]/", "https://[::]/", "https://[::ffff:169.254.169.254]/", "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/", "https://[64:ff9b::169.254.169.254]/", "https://[2002:7f00:1::]/",
        "https://[fd00:ec2::254]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[ff02::1]/",
        "https://localhost/", "https://LOCALHOST./", "https://metadata/", "https://①②⑦.⓪.⓪.①/", "https://１２７.１/",
        "https://127。0。0。1/", "https://127․0․0․1/", "https://evil.example.0x7f/", "https://8.8.8.8/", "https://[vF.127.0.0.1]/",
    ],
    "malformed": [
        "https://", "https:///a.png", "https:pictures.example.com", "https://pictures.example.com\\@127.0.0.1/",
        "https:\\\\127.0.0.1\\", "https://pictures.example.com/\r\nHost: internal", "https://127.0.0.1\t.example.com/",
        "https://pictures.exam\nple.com/", "https://pictures.example.com\x00.evil.example/",
        "https://127.0.0.1%00.example.com/", "https://127.0.0.1%2f.example.com/", "https://a b.example.com/",
        "https://pictures.example.com./", "https://pictures..example.com/", "https://-.example.com/",
        "https://pictures.example.com:port/", "https://pictures.example.com:99999/", "https://pictures.example.com:-1/",
        "https://[::1", "https://::1]/", "https://straße.example.com/",
        "https://pictures\u200d.example.com/", "https://pictures.example.com\uff0f@127.0.0.1/",
        "https://" + "a" * 64 + ".example.com/", "https://" + "a." * 130 + "example.com/", "https://*.example.com/",
        "https://pictures.example.com/\ud800", "https://\ud800.example.com/", "https://<img>.example.com/",
        "https://pictures.example.com/" + "a" * URL_CHARACTERS_MAX,
        "https://pictures.example.com/#" + "a" * URL_CHARACTERS_MAX, "https://pictures.example.com/" + "ä" * 1000,
    ],
}  # fmt: skip


class Canary:
    """A resolver and a connector that only remember who called."""

    def __init__(self, *addresses):
        self.addresses, self.asked, self.opened = addresses, [], []

    def resolve(self, host, port, *, type):
        self.asked.append(host)
        return [(socket.AF_UNSPEC, type, 6, "", (address, port)) for address in self.addresses]

    def connect(self, address, timeout):
        self.opened.append(address)
        raise ConnectionRefusedError(f"nobody at {address}")

    def downloads(self, **more):
        return Downloads(resolve=self.resolve, connect=self.connect, **more)


def test_the_list_of_hostile_urls_is_long():
    """The list below is not emptied by accident."""
    assert sum(map(len, HOSTILE.values())) >= 80


@pytest.mark.parametrize(
    ("reason", "url"), [(reason, url) for reason, urls in HOSTILE.items() for url in urls], ids=ascii
)
def test_a_hostile_url_is_refused_before_anything_is_opened(reason, url):
    """No name is resolved and no connection attempted, even where the name would lead to a public host."""
    canary = Canary(PUBLIC)
    with pytest.raises(ImageUrlRefused) as refused:
        canary.downloads().get(url)
    assert refused.value.details == {"field": "imageUrl", "reason": reason}
    assert (canary.asked, canary.opened) == ([], [])


CLOSED = [
    "0.0.0.0", "0.1.2.3",  # noqa: S104 - one more address, nothing is bound
    "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "169.254.170.2", "169.254.100.1", "172.16.0.1", "172.31.255.255", "192.0.0.9", "192.0.0.170",
    "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::7f00:1",
    "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:0:7f00:1::1", "2001:1::1", "2001:10::1", "2001:20::1",
    "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1",
    "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "host", "",
]  # fmt: skip
OPEN = [
    PUBLIC,
    "8.8.8.8",
    "100.128.0.1",
    "172.32.0.1",
    "2606:4700::1111",
    "2a00:1450:4001::5e",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize("address", CLOSED)
def test_a_name_that_leads_to_a_closed_address_is_refused(address):
    """What counts is where a name leads, in whatever notation the address comes."""
    canary = Canary(address)
    with pytest.raises(ImageUrlRefused) as refused:
        canary.downloads().get("https://pictures.example.com/a.png")
    assert refused.value.details["reason"] == "address"
    assert canary.opened == []


@pytest.mark.parametrize("address", CLOSED)
@pytest.mark.parametrize("last", [False, True])
def test_one_closed_address_among_public_ones_condemns_the_name(address, last):
    """A mixed answer is refused as a whole, wherever in it the closed address stands."""
    canary = Canary(*OPEN, *OPEN[:1], address) if last else Canary(address, PUBLIC)
    with pytest.raises(ImageUrlRefused):
        canary.downloads().get("https://pictures.example.com/a.png")
    assert canary.opened == []


@pytest.mark.parametrize("address", OPEN)
def test_a_public_address_is_connected_to_as_it_was_vetted(address):
    """The connector gets the address itself and port 443, never the name."""
    canary = Canary(address)
    with pytest.raises(ImageUrlUnreachable) as failed:
        canary.downloads().get("https://pictures.example.com/a.png")
    assert failed.value.details == {"field": "imageUrl", "reason": "connection"}
    assert public(address)
    assert canary.opened == [(address, 443)]


def test_a_name_is_asked_once_however_many_addresses_it_has():
    """Several addresses are tried in turn from one answer, and only a few of them."""
    canary = Canary(*(f"93.184.215.{last}" for last in range(1, 30)))
    with pytest.raises(ImageUrlUnreachable):
        canary.downloads().get("https://pictures.example.com/a.png")
    assert canary.asked == ["pictures.example.com"]
    assert canary.opened == [(f"93.184.215.{last}", 443) for last in range(1, ADDRESSES_MAX + 1)]


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://Pictures.Example.COM", "pictures.example.com", "/"),
        ("https://pictures.example.com:443/a.png", "pictures.example.com", "/a.png"),
        ("https://pictures.example.com?size=2", "pictures.example.com", "/?size=2"),
        ("HTTPS://pictures.example.com/a%20b.png?x=a%2Fb&y=%C3%A4", "pictures.example.com",
         "/a%20b.png?x=a%2Fb&y=%C3%A4"),
        ("https://pictures.example.com/a b/ä.png?ö=1", "pictures.example.com", "/a%20b/%C3%A4.png?%C3%B6=1"),
        ("https://pictures.example.com/a.png#@127.0.0.1/", "pictures.example.com", "/a.png"),
        ("https://pictures.example.com#@127.0.0.1/", "pictures.example.com", "/"),
        ("https://pictures.example.com/@127.0.0.1/", "pictures.example.com", "/@127.0.0.1/"),
        ("https://bücher.example.com/", "xn--bcher-kva.example.com", "/"),
        ("https://BÜCHER。example.com/", "xn--bcher-kva.example.com", "/"),
        ("https://my_bucket.1st.example.xn--p1ai/", "my_bucket.1st.example.xn--p1ai", "/"),
    ],
)  # fmt: skip
def test_a_good_url_becomes_an_ascii_name_and_a_target(url, host, target):
    """Case, national letters and spaces are put into wire form; fragments stay at home."""
    assert vetted(url) == (host, target)


def test_a_name_that_does_not_exist_is_unreachable():
    """A resolver's error is told as one word."""

    def resolve(*_asked, **_more):
        raise socket.gaierror(socket.EAI_NONAME, "pictures.example.com not known")

    with pytest.raises(ImageUrlUnreachable) as failed:
        Downloads(resolve=resolve, connect=Canary().connect).get("https://pictures.example.com/")
    assert failed.value.details == {"field": "imageUrl", "reason": "dns"}


def test_a_name_without_addresses_is_unreachable():
    """An empty answer is no reason to connect anywhere."""
    canary = Canary()
    with pytest.raises(ImageUrlUnreachable) as failed:
        canary.downloads().get("https://pictures.example.com/")
    assert failed.value.details["reason"] == "dns"
    assert canary.opened == []


@pytest.mark.parametrize("address", ["93.184.215.14", "10.9.8.7"])
@pytest.mark.parametrize(
    "url", ["https://10.9.8.7/SECRET", "https://pictures.example.com/SECRET?SECRET", "https://SECRET:x/"]
)
def test_an_error_shows_neither_the_url_nor_an_address(url, address):
    """Secrets in a URL reach neither the caller's error nor the log's traceback."""
    downloads = Canary(address).downloads()
    with pytest.raises((ImageUrlRefused, ImageUrlUnreachable)) as failed:
        downloads.get(url)
    lines = traceback.format_exception(failed.value)
    shown = repr(failed.value) + repr(failed.value.details) + "".join(lines)
    assert not any(word in shown for word in ("SECRET", "10.9.8.7", "93.184", "pictures.example"))
