"""Kept answers are unreadable without the token that asked."""

from dataclasses import replace

import pytest

from api.idempotency import Claim, sealed

CLAIM = Claim(principal="tok_1", secret="dure_secret", key="k1", fingerprint="f", now=0.0)
BODY = b'{"secret": "dure_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'


@pytest.mark.parametrize(
    "body", [BODY, b"", b"\0\0x", BODY * 1000], ids=["an answer", "nothing", "zeros", "a long one"]
)
def test_a_sealed_answer_is_unsealed_by_the_same_claim(body: bytes) -> None:
    assert sealed(sealed(body, CLAIM), CLAIM) == body


def test_a_sealed_answer_shows_nothing_of_its_secret() -> None:
    assert b"dure_" not in sealed(BODY, CLAIM)


@pytest.mark.parametrize(
    "other",
    [replace(CLAIM, secret="dure_other"), replace(CLAIM, key="k2"), replace(CLAIM, principal="tok_2")],
    ids=["another token", "another key", "another principal"],
)
def test_no_two_claims_share_a_stream(other: Claim) -> None:
    assert sealed(BODY, other) != sealed(BODY, CLAIM)
