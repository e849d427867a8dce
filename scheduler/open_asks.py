"""Asks of companies whose open asks are limited, with how many of theirs wait in the queue: no book has these."""

from collections.abc import Sequence
from dataclasses import replace

from scheduler.core.book import Book
from scheduler.core.model import Ask
from scheduler.store import quotas
from scheduler.store.db import Session


def limited(book: Book, ask: Ask) -> bool:
    """Whether the quota of the ask's company limits its open asks."""
    quota = book.quotas.get(ask.company)
    return quota is not None and quota.open_asks is not None


def counted(session: Session, book: Book, asks: Sequence[Ask]) -> list[Ask]:
    """The asks, all of one pool, where it is limited with what is queued already; what comes in one batch is not among it."""
    companies = {ask.company for ask in asks if limited(book, ask)}
    if not companies:
        return list(asks)
    queued = quotas.queued(session, asks[0].pool, companies)
    return [
        replace(ask, queued_already=queued.get(ask.company, 0)) if ask.company in companies else ask for ask in asks
    ]
