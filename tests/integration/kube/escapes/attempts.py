"""The table, and how each of its rows is tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.integration.kube.escapes import kinds, objects

TABLE = Path(__file__).with_name("table.yaml")

PHASES = {
    "before": ("company", "ruler"),
    "during": ("lease", "ruler"),
    "stopped": ("lease", "ruler"),
    "after": ("company", "lease", "ruler"),
}
"""Of the lease, and who tries then what the table has; `stopped` is during the lease with nobody who reconciles."""

PEOPLE = ("company", "lease", "ruler")

PATCHES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


QUOTA_TRIES = 20
"""The API server gives up on a quota that many change at once, and says to try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An attempt of the table."""

    number: int
    kind: str
    what: str
    must: str
    by: str
    people: Sequence[str]
    phases: Sequence[str]
    given: Sequence[Mapping[str, Any]]
    said: Mapping[str, Any]
    """All that the table says of it."""

    def __str__(self) -> str:
        return f"{self.number} {self.kind}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] | None = None
    apply: bool = False

    def send(self, client: httpx.Client, *, dry: bool = False) -> httpx.Response:
        params = {"dryRun": "All"} if dry else {}
        params |= {"fieldManager": "tenant", "force": "true"} if self.apply else {}
        url = httpx.URL(self.path).copy_merge_params(params)
        # Of a deletion with options, the query is not read.
        body = {**self.body, "dryRun": ["All"]} if dry and self.method == "DELETE" and self.body else self.body
        for _ in range(QUOTA_TRIES):
            answer = client.request(self.method, url, json=body, headers=self.headers)
            if answer.status_code != 409 or "resourcequotas" not in answer.text:
                return answer
        raise AssertionError(f"{self.path}: the quota was changed by others all the time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of an attempt."""

    row: Row
    who: str
    name: str
    status: int
    said: str

    @property
    def taken(self) -> bool:
        return self.status < 400

    def __str__(self) -> str:
        return f"{self.row} [{self.who}] must be {self.row.must}: {self.status} {self.said[:400]}"


def rows() -> list[Row]:
    table: Mapping[str, Sequence[Mapping[str, Any]]] = yaml.safe_load(TABLE.read_text())
    every = [(kind, said) for kind, all_said in table.items() for said in all_said]
    return [_row(number, kind, said) for number, (kind, said) in enumerate(every, 1)]


def honest(said: Mapping[str, Any]) -> Row:
    """A workload of honest.yaml, to be made as a row is."""
    return _row(0, "honest", {"must": "harmless", **said})


def request(row: Row, words: Mapping[str, Any], admin: httpx.Client) -> Request:
    """The row's request; `admin` reads what is put back changed."""
    said, namespace = row.said, words["ns"]
    if "call" in said:
        call = objects.fill(said["call"], words)
        return Request(method=call["method"], path=call["path"], body=call.get("body"), headers=call.get("headers"))
    if "remove" in said:
        path = kinds.named(objects.fill(said["remove"], words), namespace)
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **said.get("body", {})}
        return Request(method="DELETE", path=path, body=body)
    if "change" in said:
        return _change(said, words, admin)
    made = objects.build(said, words)
    return Request(method="POST", path=kinds.collection(made, namespace), body=made)


def given(row: Row, words: Mapping[str, Any]) -> list[Request]:
    made = [objects.build(each, words) for each in row.given]
    return [Request(method="POST", path=kinds.collection(each, words["ns"]), body=each) for each in made]


def _change(said: Mapping[str, Any], words: Mapping[str, Any], admin: httpx.Client) -> Request:
    target = objects.fill(said["change"], words)
    reference = target if "/" in target else f"Pod/{words[target]}"
    whole = kinds.named(reference, words["ns"])
    path = f"{whole}/{said['at']}" if "at" in said else whole
    body, how = objects.fill(said["body"], words), said["how"]
    if how == "put":
        return Request(method="PUT", path=path, body=objects.merge(admin.get(whole).raise_for_status().json(), body))
    if how == "apply":
        kind, _, name = reference.partition("/")
        identity = {"apiVersion": kinds.VERSIONS.get(kind, "v1"), "kind": kind, "metadata": {"name": name}}
        body = objects.merge(identity, body)
    return Request(method="PATCH", path=path, body=body, headers={"Content-Type": PATCHES[how]}, apply=how == "apply")


def _row(number: int, kind: str, said: Mapping[str, Any]) -> Row:
    return Row(
        number=number,
        kind=kind,
        what=said["what"],
        must=said["must"],
        by=said.get("by", ""),
        people=said.get("as", PEOPLE),
        phases=said.get("when", tuple(PHASES)),
        given=said.get("given", ()),
        said=said,
    )
