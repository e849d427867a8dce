"""A credential of the agent's own: made with a join token, kept in its folder, and renewed at half its life.

The agent makes up each secret, writes it down, and only then proposes it by its hash: whichever answer is lost, and whenever
the process is killed, what is on the disk and what the allocator knows fit together again.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from agents.identity import keepsake
from agents.identity.credential import Credential, CredentialError, Trouble, read
from agents.identity.keepsake import Keepsake

log = logging.getLogger(__name__)

JOIN_AGAIN_S, RENEW_AGAIN_S = 60.0, 600.0
"""How long after one that failed the next attempt is made; what half a life leaves is enough for hundreds of them."""

PASSING = (408, 425, 429)
"""Besides 5xx, the statuses that pass by themselves."""


class Post(Protocol):
    def __call__(self, path: str, token: str, body: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        """Status and JSON of the answer to a POST with that bearer token. Raises OSError where nothing, or no JSON, came back."""
        ...


class OwnCredential(Credential):
    """`join_token` is a file that an admin puts there, and may put there anew while the agent runs."""

    def __init__(
        self,
        folder: Path,
        *,
        node: str,
        join_token: Path | None,
        post: Post,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Sends nothing yet. Raises CredentialError."""
        self.path = folder / keepsake.NAME
        self._folder, self._node, self._join_token = folder, node, join_token
        self._post, self._monotonic, self._now = post, monotonic, now
        self._kept = self._found()
        self._is_refused = False
        self._not_before = monotonic()
        self._trouble: Trouble | None = None

    @property
    def header(self) -> str:
        return f"Bearer {self._kept.secret}"

    def advice(self, node: str) -> str:
        where = self._join_token or "the file that DURE_AGENT_JOIN_TOKEN_FILE names"
        return (
            f"let it join again: put the token of `dure node join-token {node}` into {where}, which is read by itself"
        )

    def tend(self) -> Trouble | None:
        """Joins where there is no credential that is taken, and renews one that is half over."""
        if self._monotonic() >= self._not_before:
            if not self._kept.secret or self._is_refused:
                self._join()
            elif self._kept.is_due(self._now()):
                self._renew()
        return None if self._kept.secret else self._trouble

    def renew(self) -> bool:
        """The credential was not taken: the one that was proposed may have arrived, or a fresh join token is there."""
        kept = self._kept
        if kept.proposed and kept.proposed_with == _sha256(kept.secret):
            self._adopt()
            return True
        self._is_refused = True
        if self._monotonic() >= self._not_before:
            self._join()
        return self._kept.secret != kept.secret

    def _join(self) -> None:
        self._not_before = self._monotonic() + JOIN_AGAIN_S
        try:
            token = self._fresh()
        except CredentialError as error:
            if self._kept.proposed and not self._kept.secret:
                self._adopt()
            self._trouble = Trouble(outcome="refused", why=f"{error}; {self.advice(self._node)}")
            return
        self._trouble = self._propose("join", token)
        if self._trouble is None:
            log.info("the agent joined as node %s", self._node, extra={"action": "credential.joined"})

    def _renew(self) -> None:
        self._not_before = self._monotonic() + RENEW_AGAIN_S
        trouble = self._propose("credential", self._kept.secret)
        if trouble is None:
            log.info("the next credential is in use", extra={"action": "credential.renewed"})
        else:
            if trouble.outcome == "refused":
                self._not_before = self._monotonic() + JOIN_AGAIN_S
            about = {"action": "credential.not_renewed", "why": trouble.why}
            log.warning("the credential could not be renewed; the present one is used on", extra=about)

    def _propose(self, verb: str, bearer: str) -> Trouble | None:
        """The next secret is written down, proposed with that token, and in use once it is taken."""
        before = self._kept.proposed
        unwritten = self._written_down(bearer)
        if unwritten is not None:
            return unwritten
        body = {"secret_sha256": _sha256(self._kept.proposed)}
        try:
            status, answer = self._post(f"/v1/nodes/{self._node}/{verb}", bearer, body)
        except OSError as error:
            return Trouble(outcome="unreachable", why=f"{type(error).__name__}: {error}")
        if status != 200:
            return self._not_taken(status, answer, is_new=self._kept.proposed != before)
        return self._taken(answer, joined_with=_sha256(bearer) if verb == "join" else self._kept.joined_with)

    def _written_down(self, bearer: str) -> Trouble | None:
        proposed_with = _sha256(bearer)
        if self._kept.proposed and self._kept.proposed_with == proposed_with:
            return None
        secret = f"dure_{secrets.token_urlsafe(32)}"
        wanted = replace(self._kept, proposed=secret, proposed_with=proposed_with)
        try:
            keepsake.save(self._folder, wanted)
        except OSError as error:
            return Trouble(outcome="refused", why=_unwritable(self._folder, error))
        self._kept = wanted
        return None

    def _taken(self, answer: Mapping[str, Any], *, joined_with: str) -> Trouble | None:
        token, lasts_s = answer.get("token"), answer.get("lasts_s")
        if (
            not isinstance(token, str)
            or isinstance(lasts_s, bool)
            or not isinstance(lasts_s, int | float)
            or lasts_s <= 0
        ):
            return Trouble(outcome="unreachable", why="what answered is no allocator")
        self._is_refused = False
        self._keep(
            Keepsake(
                node=self._node,
                secret=self._kept.proposed,
                token=token,
                got_at=self._now(),
                lasts_s=float(lasts_s),
                joined_with=joined_with,
            )
        )
        return None

    def _not_taken(self, status: int, answer: Mapping[str, Any], *, is_new: bool) -> Trouble:
        """What was never taken is forgotten; what was sent before, without an answer, may have arrived then."""
        why = f"{status} {answer.get('code', '')}: {answer.get('detail', '')}"
        if status in PASSING or status >= 500:
            return Trouble(outcome="unreachable", why=why)
        if is_new or answer.get("code") == "already_exists":
            self._keep(replace(self._kept, proposed="", proposed_with=""))
        said = f"{why}; {self.advice(self._node)}" if status in (401, 403) else why
        return Trouble(outcome="refused", why=said)

    def _adopt(self) -> None:
        """What was proposed is used, as nothing else is left; how long it lasts is learned by renewing it."""
        used = replace(self._kept, secret=self._kept.proposed, got_at=0.0, lasts_s=0.0, proposed="", proposed_with="")
        self._not_before = self._monotonic()
        self._keep(used)

    def _keep(self, found: Keepsake) -> None:
        """Where it cannot be written, what is on the disk leads to it again."""
        self._kept = found
        try:
            keepsake.save(self._folder, found)
        except OSError as error:
            log.warning(_unwritable(self._folder, error), extra={"action": "credential.not_kept"})

    def _fresh(self) -> str:
        """A join token that was not used yet, as far as is known here. Raises CredentialError."""
        if self._join_token is None:
            raise CredentialError("there is no join token")
        token = read(self._join_token)
        if self._kept.secret and _sha256(token) == self._kept.joined_with:
            raise CredentialError(f"{self._join_token}: this join token was used already")
        return token

    def _found(self) -> Keepsake:
        """What is kept in the folder; where that is nothing there must be a join token, and the folder must take what it makes."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            kept = keepsake.load(self._folder, self._node)
            if kept.secret or kept.proposed:
                return kept
            if self._join_token is None:
                raise CredentialError(f"{self._folder} holds no credential yet; {self.advice(self._node)}")
            read(self._join_token)
            keepsake.save(self._folder, kept)
        except OSError as error:
            raise CredentialError(_unwritable(self._folder, error)) from error
        return kept


def _unwritable(folder: Path, error: OSError) -> str:
    return f"{folder}: the agent's folder cannot be written ({error.strerror}), and its credential is kept there: let it be writable"


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
