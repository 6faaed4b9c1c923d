"""Who may look: tokens, cookies, hosts and origins; and what the server answers to everything else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the live view needs aiohttp")
import aiohttp

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.serving import make_sources
from edgemoe_gen.serving.access import Access, is_loopback, token_for
from edgemoe_gen.serving.hub import MOST_VIEWERS
from edgemoe_gen.serving.run import page_address
from tests.serving.csim_backend import SIZE, Server, csim_backend, write_pictures
from tests.serving.live_client import viewer

TOKEN = "a-token-of-the-test"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def plain(pictures: Path) -> Iterator[Server]:
    with Server(csim_backend(), make_sources([str(pictures)], SIZE)) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(pictures: Path) -> Iterator[Server]:
    with Server(csim_backend(), make_sources([str(pictures)], SIZE), host="0.0.0.0", token=TOKEN) as server:
        server.address = f"http://127.0.0.1:{server.address.rpartition(':')[2]}"
        yield server


def with_session(look: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
    async def run() -> None:
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address without a name too
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            await look(session)

    asyncio.run(run())


def raw(server: Server, request: bytes) -> bytes:
    """The first line of the answer to bytes as they are."""
    with socket.create_connection(("127.0.0.1", int(server.origin.rpartition(":")[2])), 10) as connection:
        connection.sendall(request)
        return connection.recv(65536).partition(b"\r\n")[0]


def test_without_the_token_nothing_is_to_be_had(guarded: Server) -> None:
    async def look(session: aiohttp.ClientSession) -> None:
        for path in ("/", "/live.js", "/live.css", "/icon.svg", "/stream", "/nothing", "/live.js?token=" + TOKEN):
            async with session.get(guarded.origin + path) as answer:
                assert answer.status == 401, path
                text = await answer.text()
                assert TOKEN not in text
                assert "m3vit" not in text
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            async with viewer(guarded.origin):
                pass

    with_session(look)


@pytest.mark.parametrize("wrong", ["", "x", TOKEN[:-1], TOKEN + "x", "ä" * 19])
def test_a_wrong_token_is_refused_and_gives_no_cookie(guarded: Server, wrong: str) -> None:
    async def look(session: aiohttp.ClientSession) -> None:
        async with session.get(guarded.origin + "/", params={"token": wrong}) as answer:
            assert answer.status == 401
            assert "Set-Cookie" not in answer.headers
        port = guarded.origin.rpartition(":")[2]
        cookies = {"Cookie": f"edgemoe_{port}={wrong.encode().hex()}"}
        async with session.get(guarded.origin + "/", headers=cookies) as answer:
            assert answer.status == 401

    with_session(look)


def test_the_right_token_becomes_a_cookie_that_opens_everything_and_is_not_the_token(guarded: Server) -> None:
    async def look(session: aiohttp.ClientSession) -> None:
        async with session.get(guarded.address) as answer:
            assert answer.status == 200
            cookie = answer.headers["Set-Cookie"]
        assert TOKEN not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Domain" not in cookie
        for path in ("/", "/live.js"):
            async with session.get(guarded.origin + path) as answer:
                assert answer.status == 200
        headers = {"Origin": guarded.origin}
        async with session.ws_connect(f"{guarded.origin}/stream", headers=headers) as connection:
            assert (await connection.receive()).type is aiohttp.WSMsgType.TEXT
        async with session.get(guarded.origin + "/", headers={"Host": "board.lan:1234"}) as answer:
            assert answer.status == 200, "the board may have any name in its network"

    with_session(look)


def test_the_printed_address_holds_the_token(guarded: Server) -> None:
    assert guarded.address.endswith(f"/?token={TOKEN}")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "[::1", "a b"]
)
def test_on_loopback_another_hosts_name_is_refused(plain: Server, host: str) -> None:
    first = raw(plain, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert first.split()[1] in (b"403", b"400")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "localhost:9999", "LOCALHOST"])
def test_on_loopback_its_own_names_are_known_at_any_forwarded_port(plain: Server, host: str) -> None:
    assert raw(plain, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()).split()[1] == b"200"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:1", "file://", None])
def test_the_stream_opens_for_this_servers_page_only(plain: Server, origin: str | None) -> None:
    async def look(session: aiohttp.ClientSession) -> None:
        headers = {} if origin is None else {"Origin": origin}
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect(f"{plain.origin}/stream", headers=headers)

    with_session(look)


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", "/page/",
        "/page/index.html", "/index.html", "/live.js/", "/live.js/../icon.svg%00", "/static/",
        "/favicon.ico", "/.git/config",
    ],
)  # fmt: skip
def test_there_is_nothing_but_the_pages_own_files(plain: Server, path: str) -> None:
    first = raw(plain, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert first.split()[1] == b"404"


def test_nothing_is_accepted_and_every_answer_is_hardened(plain: Server) -> None:
    async def look(session: aiohttp.ClientSession) -> None:
        refused = [("POST", "/"), ("PUT", "/live.js"), ("OPTIONS", "/"), ("DELETE", "/stream"), ("GET", "/no")]
        for method, path in (*refused, ("GET", "/"), ("GET", "/live.js"), ("GET", "/stream")):
            headers = {"Origin": "http://evil.example"}
            async with session.request(method, plain.origin + path, headers=headers) as answer:
                assert (answer.status == 200) == (method == "GET" and path in ("/", "/live.js"))
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["X-Frame-Options"] == "DENY"
                policy = answer.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'")
                assert "unsafe" not in policy
                assert not [name for name in answer.headers if name.lower().startswith("access-control")]
                assert "aiohttp" not in answer.headers["Server"]

    with_session(look)


def test_long_requests_are_refused(plain: Server) -> None:
    assert raw(plain, b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n").split()[1] in (b"400", b"414")
    many = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 20000 + b"\r\n\r\n"
    assert raw(plain, many).split()[1] in (b"400", b"431")


@pytest.mark.parametrize(
    "command",
    [
        "no JSON", "[]", "{}", '{"source": 7}', '{"source": -1}', '{"source": true}', '{"source": "0"}',
        '{"tasks": []}', '{"tasks": ["surface"]}', '{"tasks": [1]}', '{"close": 1}', "[" * 3000, "x" * 5000, b"bytes",
    ],
    ids=lambda command: str(command)[:16],
)  # fmt: skip
def test_a_wrong_command_ends_its_own_connection_and_no_other(plain: Server, command: str | bytes) -> None:
    async def look() -> None:
        async with viewer(plain.origin) as good, viewer(plain.origin) as bad:
            send = bad.socket.send_bytes if isinstance(command, bytes) else bad.socket.send_str
            await send(command)  # type: ignore[arg-type]
            while (message := await asyncio.wait_for(bad.socket.receive(), 10)).type in (
                aiohttp.WSMsgType.TEXT,
                aiohttp.WSMsgType.BINARY,
            ):
                pass
            assert message.type is aiohttp.WSMsgType.CLOSE
            assert message.data in (1008, 1009)
            await good.frame()
        assert plain.view.feed.chosen == 0

    asyncio.run(look())


def test_one_viewer_too_many_is_refused(plain: Server) -> None:
    async def look(session: aiohttp.ClientSession) -> None:
        headers = {"Origin": plain.origin}
        for _ in range(100):
            if not plain.view.hub.viewers:
                break
            await asyncio.sleep(0.05)
        many = [await session.ws_connect(f"{plain.origin}/stream", headers=headers) for _ in range(MOST_VIEWERS)]
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await session.ws_connect(f"{plain.origin}/stream", headers=headers)
        await many[0].close()
        async with viewer(plain.origin) as one:
            await one.frame()
        for connection in many:
            await connection.close()

    with_session(look)


def test_a_token_is_asked_for_where_the_network_can_reach_the_server() -> None:
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert is_loopback(host)
        assert token_for(host, None) is None
    made = {token_for(host, None) for host in ("0.0.0.0", "::", "192.168.2.99", "pynq", "localhost.evil.example")}
    assert None not in made
    assert len(made) == 5, "each is another one"
    assert all(len(str(token)) >= 32 for token in made)
    assert token_for("127.0.0.1", TOKEN) == TOKEN
    for bad in ("", "short", "with space in it", "with&sign=in-it", "längeres-wort-hier"):
        with pytest.raises(ConfigError, match="the token must have"):
            token_for("0.0.0.0", bad)


def test_a_cookie_of_one_token_is_none_of_another() -> None:
    one, other = Access("0.0.0.0", TOKEN), Access("0.0.0.0", TOKEN + "2")
    assert one.accepts_cookie(one.cookie_value)
    assert not other.accepts_cookie(one.cookie_value)
    assert not one.accepts_cookie("")
    assert one.cookie_value != TOKEN


def test_addresses_can_be_opened_as_they_are_printed() -> None:
    assert page_address("127.0.0.1", 8080, None) == "http://127.0.0.1:8080/"
    assert page_address("::1", 80, "t") == "http://[::1]:80/?token=t"
    assert "0.0.0.0" not in page_address("0.0.0.0", 8080, None)
