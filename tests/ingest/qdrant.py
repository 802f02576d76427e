"""A Qdrant server on loopback: the part of its REST interface we use, over its client's in-memory engine."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import TypeAdapter
from qdrant_client import QdrantClient, models

Body = dict[str, Any]
_LOCK = threading.Lock()


def _read(kind: Any, value: Any) -> Any:
    return None if value is None else TypeAdapter(kind).validate_python(value)


def _scroll(client: QdrantClient, name: str, body: Body) -> Any:
    where = _read(models.Filter, body.get("filter"))
    records, after = client.scroll(name, where, body["limit"], offset=body.get("offset"), with_payload=True)
    return models.ScrollResult(points=records, next_page_offset=after)


_CALLS: dict[tuple[str, str], Callable[[QdrantClient, str, Body], Any]] = {
    ("GET", "exists"): lambda client, name, _: {"exists": client.collection_exists(name)},
    ("GET", ""): lambda client, name, _: client.get_collection(name),
    ("PUT", ""): lambda client, name, body: client.create_collection(
        name,
        vectors_config=_read(dict[str, models.VectorParams], body["vectors"]),
        sparse_vectors_config=_read(dict[str, models.SparseVectorParams], body["sparse_vectors"]),
        metadata=body["metadata"],
    ),
    ("PATCH", ""): lambda client, name, body: client.update_collection(name, metadata=body["metadata"]),
    ("PUT", "index"): lambda client, name, _: models.UpdateResult(status=models.UpdateStatus.COMPLETED),
    ("PUT", "points"): lambda client, name, body: client.upsert(
        name, _read(list[models.PointStruct], body["points"])
    ),
    ("POST", "points/payload"): lambda client, name, body: client.set_payload(
        name, body["payload"], points=_read(models.Filter, body["filter"])
    ),
    ("POST", "points/delete"): lambda client, name, body: client.delete(
        name, _read(models.FilterSelector, body)
    ),
    ("POST", "points/count"): lambda client, name, body: client.count(
        name, _read(models.Filter, body.get("filter"))
    ),
    ("POST", "points/scroll"): _scroll,
    ("POST", "facet"): lambda client, name, body: client.facet(
        name, body["key"], _read(models.Filter, body.get("filter")), body["limit"]
    ),
}


@contextmanager
def server() -> Iterator[tuple[str, QdrantClient]]:
    """Its URL, and its engine for looking into."""
    client = QdrantClient(":memory:")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            _, _, name, rest = (self.path.partition("?")[0] + "/").split("/", 3)
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "{}")
            with _LOCK:
                result = _CALLS[self.command, rest.strip("/")](client, name, body)
            plain = result.model_dump(mode="json") if hasattr(result, "model_dump") else result
            answer = json.dumps({"result": plain, "status": "ok", "time": 0}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_PATCH = do_POST = _answer  # noqa: N815 the library's names

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}", client
        finally:
            http.shutdown()
            thread.join()
            client.close()
