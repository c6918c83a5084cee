"""What a run must not lose, read from the running emulator and put into an empty one; runs inside the emulator.

DynamoDB and S3 of ministack do each call in one step of its event loop. What is read here in one step as well is
therefore a state that the product was in at one instant: no transaction is seen by half, and no record without the
object that was stored before it. It is what would be left if every function had died then, and the product can go on
from there.

`Snapshots` answers under ``/_local/`` of the emulator's port, for `local.stack` alone:

``save``     write all records, objects and messages into a folder, unless nothing was written since the last time
``restore``  put them into the tables and buckets of a stack just deployed, whose physical names may be others
``image``    write the whole emulator as it is right after a deployment, so that the next start need not deploy

Others may be given to it as ``more``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from local.corrections.release import Json, Module, require

Rows = list[tuple[Any, ...]]
RECORDS, OBJECTS = "records.jsonl", "objects.jsonl"
"""Files of rows: table or queue by its name in the template, and item or message; bucket, key, and what is to know."""
CONTENT = "content.json"
"""File of an image with the size of each of its files."""
OWN = "/_local/"
READS = ("Get", "BatchGet", "TransactGet", "Query", "Scan", "Describe", "List", "Receive")
NO_WRITES = ("/_ministack/", "/_aws/execute-api/", "/2015-03-31/functions/")
"""Paths of requests that change nothing themselves; what they make functions write comes as requests of its own."""


class Snapshots:
    """The emulator's application with the routes of this module, counting the requests that may have changed something.

    Args:
        app_module: ministack's main module; its ``app`` is wrapped.
        dynamodb, s3, sqs, persistence: those modules of ministack.
        more: further routes under `OWN`, by name.
    """

    def __init__(
        self,
        app_module: Module,
        *,
        dynamodb: Module,
        s3: Module,
        sqs: Module,
        persistence: Module,
        more: Mapping[str, Callable[[Json], Awaitable[Json]]],
    ) -> None:
        require(hasattr(dynamodb, "_set_item") and hasattr(dynamodb, "_tables"), "tables")
        require(hasattr(s3, "_persist_object") and hasattr(s3, "_object_meta_from_record"), "objects")
        require(hasattr(sqs, "_queues") and hasattr(persistence, "_json_default"), "queues and persistence")
        self.writes = 0
        self._routes = {"save": self._save, "restore": self._restore, "image": self._image, **more}
        self._app_module, self._inner = app_module, app_module.app
        self._dynamodb, self._s3, self._sqs, self._persistence = dynamodb, s3, sqs, persistence
        app_module.app = self

    async def __call__(self, scope: Json, receive: Any, send: Any) -> None:
        """Answer a request of ours, or pass it on."""
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or not path.startswith(OWN):
            try:
                await self._inner(scope, receive, send)
            finally:
                self.writes += may_write(scope)
            return
        if any(name.lower() == b"origin" for name, _ in scope["headers"]):
            status, answer = 403, {"problem": "this is no place for browsers"}
        else:
            status, answer = await self._answer(path.removeprefix(OWN), json.loads(await whole_body(receive)))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    async def _answer(self, what: str, order: Json) -> tuple[int, Json]:
        try:
            return 200, await self._routes[what](order)
        except OSError as problem:  # a full disk, mostly
            return 507, {"problem": problem.strerror or str(problem)}

    async def _save(self, order: Json) -> Json:
        """Write `RECORDS` and `OBJECTS` into ``into`` and every new object into ``objects``."""
        if order["unless"] == self.writes:
            return {"writes": self.writes, "saved": False}
        writes, names, store = self.writes, order["names"], Path(order["objects"])
        # From here on no await: all of this is one instant.
        records: Rows = [
            (table, item) for table, name in names["tables"].items() for item in self._items(name)
        ]
        records += [(queue, body) for queue, url in names["queues"].items() for body in self._messages(url)]
        objects: Rows = []
        fresh: list[Path] = []
        for bucket, name in names["buckets"].items():
            objects += self._kept_objects(bucket, name, store, fresh)
        await asyncio.to_thread(write_all, Path(order["into"]), {RECORDS: records, OBJECTS: objects}, fresh)
        return {"writes": writes, "saved": True}

    def _items(self, name: str) -> list[Json]:
        """Every item of a table. Items are replaced and never changed, so they may be written out later."""
        with self._dynamodb._lock:  # against the thread that deletes what expired
            return [item for part in self._table(name)["items"].values() for item in part.values()]

    def _messages(self, url: str) -> list[str]:
        ending = f"/{url.rpartition('/')[2]}"
        found = [queue for (*_, key), queue in self._sqs._queues.all_items() if key.endswith(ending)]
        return [str(message["body"]) for queue in found for message in queue["messages"]]

    def _kept_objects(self, logical: str, bucket: str, store: Path, fresh: list[Path]) -> Rows:
        """Describe each object of a bucket; its bytes get a second name in ``store`` that no later write changes."""
        described: Rows = []
        for key, record in self._bucket(bucket)["objects"].items():
            about = self._s3._object_meta_from_record(record)
            identity = [logical, key, about["etag"], about["size"], about["last_modified"]]
            name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
            kept = store / name
            if not kept.exists():
                second_name(self._s3._object_disk_path(bucket, key), kept)
                fresh.append(kept)
            described.append((logical, key, {**about, "file": name}))
        return described

    async def _restore(self, order: Json) -> Json:
        """Replace the items, objects and messages of the stack by those in the folder ``source``."""
        source, store, names = Path(order["source"]), Path(order["objects"]), order["names"]
        tables = {logical: self._table(name) for logical, name in names["tables"].items()}
        for table in tables.values():
            table["items"].clear()
            self._dynamodb._items_replaced(table)
        for logical, item in rows(source / RECORDS):
            if logical in tables:
                self._dynamodb._set_item(tables[logical], *self._key(tables[logical], item), item)
        for logical, key, about in rows(source / OBJECTS):
            if bucket := names["buckets"].get(logical):
                self._put_back(bucket, key, about, store / about.pop("file"))
        return {}

    def _put_back(self, bucket: str, key: str, about: Json, file: Path) -> None:
        """Make an object of a kept file; nothing if it is not there any more."""
        if file.exists():
            found = self._bucket(bucket)["objects"][key] = {**about, "body": None}
            place = Path(self._s3._object_disk_path(bucket, key))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            second_name(file, place)
            self._s3._persist_object(bucket, key, found)  # what is to know of it, beside its bytes

    async def _image(self, order: Json) -> Json:
        """Write the state of every service into the folder ``into``, which appears when it is complete."""
        self._write_image(Path(self._persistence.STATE_DIR), Path(order["into"]))
        return {}

    def _write_image(self, folder: Path, final: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for service, state in self._app_module._build_persistence_save_dict().items():
            found = state()
            if found is not None:
                version = self._persistence._state_format_version(service)
                document = {"__ministack_format__": version, "payload": found}
                text = json.dumps(document, default=self._persistence._json_default)
                (folder / f"{service}.json").write_text(text)
        partial = final.with_name(f"{final.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(folder, partial, copy_function=second_name)
        (partial / CONTENT).write_text(json.dumps(content(partial)))
        partial.rename(final)

    def _table(self, name: str) -> Json:
        return next(table for (*_, key), table in self._dynamodb._tables.all_items() if key == name)

    def _bucket(self, name: str) -> Json:
        return next(found for (*_, key), found in self._s3._buckets._data.items() if key == name)

    def _key(self, table: Json, item: Json) -> Iterator[Any]:
        read = self._dynamodb._extract_key_val
        yield read(item[table["pk_name"]])
        yield read(item[table["sk_name"]]) if table["sk_name"] else "__no_sort__"


def content(image: Path) -> dict[str, int]:
    """Return the size in bytes of each file of an image."""
    files = [path for path in image.rglob("*") if path.is_file() and path.name != CONTENT]
    return {str(path.relative_to(image)): path.stat().st_size for path in files}


def second_name(source: str | Path, target: str | Path) -> None:
    """Give a file, whose bytes never change, a second name; where the file system has no such thing, copy it."""
    try:
        os.link(source, target)
    except OSError:
        partial = Path(f"{target}.partial")
        shutil.copyfile(source, partial)
        partial.rename(target)


def may_write(scope: Json) -> bool:
    """Return whether a request may have changed a record, an object or a message."""
    path = str(scope.get("path", ""))
    if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS") or path.startswith(NO_WRITES):
        return False
    target = dict(scope.get("headers", [])).get(b"x-amz-target", b"").decode("latin-1").rpartition(".")[2]
    return not target.startswith(READS)


async def whole_body(receive: Any) -> bytes:
    """Read the body of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def rows(path: Path) -> Iterator[list[Any]]:
    """Read the rows of a file one by one."""
    with path.open() as file:
        yield from map(json.loads, file)


def write_all(folder: Path, files: dict[str, Rows], fresh: list[Path]) -> None:
    """Write files of rows into a folder; they and the ``fresh`` files are on the disk when this returns.

    Row by row, so that the event loop gets its turn in between.
    """
    for name, found in files.items():
        with (folder / name).open("w") as file:
            for row in found:
                file.write(json.dumps(row) + "\n")
    for path in [*fresh, *(folder / name for name in files)]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
