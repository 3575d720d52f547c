"""``http://`` and ``https://``: single files of a server, and parts of them where it gives parts.

The web knows no folders: what an address without an ending begins is taken for one, and nothing is listed.
fsspec keeps the session; the questions are asked here, for its own answers hide whether a server said "not
there", "not allowed" or "later", and keep whatever comes.
"""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import fsspec
from fsspec.asyn import sync

from oneglance.storage.remote import store
from oneglance.storage.remote.addresses import redacted
from oneglance.storage.remote.store import Facts, RemoteStore, Unavailable, version_of

CHUNK = 1 << 18
LATER = (408, 425, 429, 500, 502, 503, 504)  # answers after which one asks again
AS_IT_IS = {"Accept-Encoding": "identity"}  # else sizes and parts would be those of the packed file


class Web(RemoteStore):
    """Files of servers."""

    lists = False

    def __init__(self, scheme: str) -> None:
        timeout = aiohttp.ClientTimeout(
            total=store.SECONDS, sock_connect=store.SILENCE, sock_read=store.SILENCE
        )
        # trust_env: passwords from ~/.netrc, and the proxies that the environment names.
        self._files: Any = fsspec.filesystem(
            scheme, client_kwargs={"timeout": timeout, "trust_env": True}, skip_instance_cache=True
        )

    def is_folder(self, address: str) -> bool:
        return "." not in address.partition("://")[2].partition("/")[2].rpartition("/")[2]

    def _facts(self, address: str) -> Facts:
        headers = self._ask(self._headers(address, "HEAD"), address)
        if headers is None:  # it does not know this question
            headers = self._ask(self._headers(address, "GET"), address)
        assert headers is not None
        known = [headers.get(name) for name in ("ETag", "Last-Modified", "Content-MD5")]
        encoded = headers.get("Content-Encoding", "identity") not in ("", "identity")
        length = headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() and not encoded else -1
        return Facts(size, version_of(*known, size) if any(known) else version_of())

    def _read(self, address: str, start: int, most: int) -> bytes:
        return bytes(self._ask(self._content(address, start, most), address))

    def _entries(self, address: str) -> list[tuple[str, bool]]:
        raise OSError(errno.ENOTSUP, "cannot be listed: the web knows no folders", address)

    def _ask(self, question: Any, address: str) -> Any:
        """The answer, or what went wrong as an error of the system."""
        try:
            return sync(self._files.loop, asyncio.wait_for, question, store.SECONDS)
        except TimeoutError:
            raise Unavailable(errno.ETIMEDOUT, "does not answer in time", address) from None
        except aiohttp.ClientConnectorDNSError:
            raise Unavailable(errno.EHOSTUNREACH, "there is no such server, or no network", address) from None
        except (aiohttp.InvalidURL, aiohttp.TooManyRedirects, aiohttp.NonHttpUrlClientError, ValueError):
            raise OSError(errno.EINVAL, "is no address that can be opened", address) from None
        except aiohttp.ClientConnectorError:
            raise Unavailable(errno.ECONNREFUSED, "cannot be reached", address) from None
        except (aiohttp.ClientError, ConnectionError):
            raise Unavailable(errno.ECONNRESET, "the connection broke off", address) from None

    async def _headers(self, address: str, method: str) -> Mapping[str, str] | None:
        session = await self._files.set_session()
        url = self._files.encode_url(address)
        async with session.request(method, url, headers=AS_IT_IS, allow_redirects=True) as answer:
            if method == "HEAD" and answer.status in (400, 403, 405, 501):
                return None
            _refuse(answer.status, address)
            return dict(answer.headers.items()) if not answer.headers else answer.headers

    async def _content(self, address: str, start: int, most: int) -> bytearray:
        session = await self._files.set_session()
        headers = dict(AS_IT_IS)
        whole = start == 0 and most > store.WHOLE
        if not whole:
            headers["Range"] = f"bytes={start}-{start + most - 1}"
        content = bytearray()
        if not most:
            return content
        async with session.get(self._files.encode_url(address), headers=headers) as answer:
            if answer.status == 416:  # it ends before
                return content
            _refuse(answer.status, address)
            part = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
            begins = int(part[1]) if answer.status == 206 and part else 0
            if begins != start:
                raise OSError(errno.ENOTSUP, "the server gives no parts of files", address)
            async for chunk in answer.content.iter_chunked(CHUNK):
                content += chunk
                if len(content) >= most:
                    return content[:most]
        return content


def _refuse(status: int, address: str) -> None:
    if status in LATER:
        raise Unavailable(errno.EAGAIN, f"the server answers {status}", address)
    if status in (404, 410):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", redacted(address))
    if status in (401, 403):
        raise PermissionError(errno.EACCES, f"the server does not allow it ({status})", address)
    if status >= 300:
        raise OSError(errno.EIO, f"the server answers {status}", address)


def opened(scheme: str) -> Web:
    """The store of ``scheme``."""
    return Web(scheme)
