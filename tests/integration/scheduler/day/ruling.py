"""What admins do in the middle of a day: new companies, quotas and budgets, shares, the policy, and the ledger."""

from typing import Any

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from dure import wire
from scheduler import revoking
from scheduler.store import accounts, defaults, joining, quotas, shares
from tests.integration.scheduler.conftest import ADMIN
from tests.integration.scheduler.day.amending import Amending
from tests.integration.scheduler.day.machine import CRASH, DAY_S, PICK, wire_time
from tests.integration.scheduler.day.seen import POOL

MOST_COMPANIES = 5

WEEK_S = 7 * DAY_S
MONDAY_S = 4 * DAY_S
"""The first Monday after the epoch."""

AMOUNTS = st.integers(0, 20_000)
BUDGETS = st.none() | st.fixed_dictionaries(
    {
        "gpu_seconds": AMOUNTS,
        "period": st.sampled_from(["week", "month", "term", "term"]),
        "carries_over": st.booleans(),
        "since_s": st.sampled_from([-DAY_S, -100, 0, 100]),
        "until_s": st.sampled_from([60, 150, 1000, DAY_S]),
    }
)
"""A term begins and ends so many seconds from now."""

REVOKES = st.integers(0, 2)
"""How many of the promises that are beyond a quota are taken back."""

LESS = st.fixed_dictionaries({"gpus": st.integers(0, 4)}) | st.fixed_dictionaries(
    {
        "budget": st.fixed_dictionaries(
            {"gpu_seconds": st.integers(0, 300), "period": st.sampled_from(["week", "month"])}
        )
    }
)

QUOTAS = st.fixed_dictionaries(
    {"gpus": st.sampled_from([0, 1, 4, 8, 12, 16, 16]), "budget": BUDGETS},
    optional={
        "longest_s": st.sampled_from([60, 600]),
        "furthest_s": st.sampled_from([60, 300]),
        "ahead_gpu_seconds": st.sampled_from([500, 3000]),
        "open_asks": st.integers(1, 6),
    },
)

POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "contended": st.sampled_from(["none", "booked", "always"]),
        "contended_ppm": st.sampled_from([0, 500_000]),
        "entry_s": st.sampled_from([0, 60, 3600]),
        "half_life_s": st.sampled_from([60, 604_800]),
        "walk_in_ppm": st.sampled_from([0, 300_000, 500_000, 1_000_000]),
        "no_show_after_s": st.sampled_from([None, 60]),
        "idle_after_s": st.sampled_from([None, 1200]),
        "spot_least_s": st.sampled_from([None, 60, 600]),
        "slack_ppm": st.sampled_from([0, 200_000]),
        "rule": st.sampled_from(["late-slots", "earliest-slot", "only-earlier"]),
        "seniority_s": st.sampled_from([None, 30]),
        "reserve_ppm": st.sampled_from([0, 250_000]),
        "reserve_over_s": st.sampled_from([100, 400]),
        "gap_s": st.sampled_from([10, 20]),
        "loss_grace_s": st.sampled_from([0, 30, 300]),
        "extension_closes_s": st.sampled_from([10, 60]),
    },
)


class Ruling(Amending):
    """What is ruled."""

    @initialize(
        gpus=st.integers(4, 16),
        gpu_seconds=st.integers(500, 6000),
        contended=st.sampled_from(["none", "booked", "always"]),
    )
    def begin(self, gpus: int, gpu_seconds: int, contended: str) -> None:
        self.world.set_quota("acme", gpus, now=self.now, budget={"gpu_seconds": gpu_seconds, "period": "week"})
        self.change_policy(contended=contended, contended_ppm=500_000)

    @rule(said=QUOTAS, has_own=st.booleans(), crash=CRASH)
    def a_company_joins(self, said: dict[str, Any], has_own: bool, crash: int | None) -> None:
        """With a quota of its own, or with the default one."""
        name = f"startup-{len(self.companies)}"

        def work() -> None:
            with self.world.db.begin() as session:
                joining.add(session, wire.CompanyCreate(name=name), actor=ADMIN, now=self.now)
                if has_own:
                    quotas.put(session, name, POOL, self._quota(said), actor=ADMIN, now=self.now)

        if len(self.companies) < MOST_COMPANIES and self.do("join", work, crash):
            self.companies.append(name)

    @rule(said=QUOTAS, who=PICK, crash=CRASH)
    def the_default_quota(self, said: dict[str, Any], who: int, crash: int | None) -> None:
        """It is another one, and somebody more follows it."""

        def work() -> None:
            with self.world.db.begin() as session:
                defaults.put(session, POOL, self._quota(said), actor=ADMIN, now=self.now)

        def follow() -> None:
            with self.world.db.begin() as session:
                quotas.remove(session, self.who(who), POOL, actor=ADMIN, now=self.now)

        self.do("default", work, crash)
        self.do("follow", follow)

    @rule(who=PICK, said=QUOTAS, revokes=REVOKES, crash=CRASH)
    def quota(self, who: int, said: dict[str, Any], revokes: int, crash: int | None) -> None:
        self.set_quota(who, said, revokes, crash)

    @rule(who=PICK, crash=CRASH)
    def a_quota_is_taken_away(self, who: int, crash: int | None) -> None:
        def work() -> None:
            with self.world.db.begin() as session:
                quotas.remove(session, self.who(who), POOL, actor=ADMIN, now=self.now)

        self.do("unset", work, crash)

    @rule(who=PICK, gpus=st.integers(2, 8), less=LESS, revokes=REVOKES, crash=CRASH)
    def promises_are_beyond_a_quota(
        self, who: int, gpus: int, less: dict[str, Any], revokes: int, crash: int | None
    ) -> None:
        """What was booked a moment before is more than a quota that is lowered allows."""
        self.set_quota(who, {"gpus": 16, "budget": {"gpu_seconds": 9000, "period": "week"}}, 0, None)
        for ahead_s in (40, 50):
            self.asks("beyond", who, gpus, 60, None, start=wire_time(self.now + ahead_s))
        self.set_quota(who, {"gpus": 16, **less}, revokes, crash)

    @rule(who=PICK, gpus=st.integers(1, 6), gpu_seconds=AMOUNTS, crash=CRASH)
    def a_term_ends(self, who: int, gpus: int, gpu_seconds: int, crash: int | None) -> None:
        """A lease runs up to the end of a term, and another is asked for beyond it."""
        term = {"gpu_seconds": gpu_seconds, "period": "term", "since_s": -50, "until_s": 100}
        self.set_quota(who, {"gpus": 16, "budget": term}, 0, crash)
        self.asks("term", who, gpus, 60, None, notice_s=0)
        self.asks("past its term", who, gpus, 150, None, notice_s=0)
        self.pass_time(1)
        self.pass_time(100)

    @rule(who=PICK, gpus=st.integers(1, 6), gpu_seconds=AMOUNTS, carries=st.booleans(), crash=CRASH)
    def a_week_is_over(self, who: int, gpus: int, gpu_seconds: int, carries: bool, crash: int | None) -> None:
        """A lease lies in it and in the next one, of which each has its part."""
        budget = {"gpu_seconds": gpu_seconds, "period": "week", "carries_over": carries}
        self.set_quota(who, {"gpus": 16, "budget": budget}, 0, None)
        over = self.now - self.now % WEEK_S + MONDAY_S
        over += WEEK_S if over < self.now + 60 else 0
        self.asks("over a week", who, gpus, 60, None, start=wire_time(over - 30))
        self.pass_time(over - 30 - self.now)
        self.pass_time(31, crash)
        self.pass_time(40)

    @rule(who=PICK, weight=st.integers(1, 10), grouped=st.booleans(), crash=CRASH)
    def share(self, who: int, weight: int, grouped: bool, crash: int | None) -> None:
        def work() -> None:
            with self.world.db.begin() as session:
                if grouped:
                    group = wire.ShareGroupSet(shares=weight)
                    shares.put_group(session, POOL, "bio", group, actor=ADMIN, now=self.now)
                body = wire.ShareSet(shares=weight, group="bio" if grouped else None)
                shares.put(session, self.who(who), POOL, body, actor=ADMIN, now=self.now)

        self.do("share", work, crash)

    @rule(said=POLICIES, crash=CRASH)
    def policy(self, said: dict[str, Any], crash: int | None) -> None:
        self.change_policy(crash, **said)

    @rule(gpus=st.integers(9, 16), crash=CRASH)
    def the_pool_is_contended(self, gpus: int, crash: int | None) -> None:
        """Shares count, and everybody wants more of the pool than its part."""
        self.change_policy(contended="booked", contended_ppm=0, walk_in_ppm=0)
        for who in range(len(self.companies)):
            self.asks("contended", who, gpus, 20, crash, notice_s=0)
        self.pass_time(1)
        self.pass_time(40)

    @rule(who=PICK, gpu_seconds=st.integers(-300, 300).filter(bool), crash=CRASH)
    def adjust(self, who: int, gpu_seconds: int, crash: int | None) -> None:
        body = wire.LedgerAdjust(company=self.who(who), pool=POOL, gpu_seconds=gpu_seconds)

        def work() -> None:
            with self.world.db.begin() as session:
                accounts.adjust(session, body, reason="a lost minute", actor=ADMIN, now=self.now)

        self.do("adjust", work, crash)

    def set_quota(self, who: int, said: dict[str, Any], revokes: int, crash: int | None) -> None:
        """Sets it, and takes back so many of the promises beyond it, in one transaction as the API does."""
        self.all_holds()
        company = self.who(who)

        def work() -> None:
            with self.world.db.begin() as session:
                found = quotas.put(session, company, POOL, self._quota(said), actor=ADMIN, now=self.now)
                named = [one.lease for one in found.beyond[:revokes]]
                self.states.wished |= {(lease, "revoked") for lease in named}
                revoking.revoke(session, named, {POOL: [company]}, actor=ADMIN, now=self.now)
                event(f"beyond: {'revoked' if named else 'kept' if found.beyond else 'none'}")

        self.do("quota", work, crash)

    def _quota(self, said: dict[str, Any]) -> wire.QuotaSet:
        budget = dict(said.get("budget") or {})
        since_s, until_s = budget.pop("since_s", 0), budget.pop("until_s", 0)
        if budget.get("period") == "term":
            budget["carries_over"] = False
            budget |= {"begins_at": wire_time(self.now + since_s), "ends_at": wire_time(self.now + until_s)}
            budget["ends_at"] = max(budget["ends_at"], wire_time(self.now + since_s + 10))
        return wire.QuotaSet.model_validate({**said, "budget": budget or None})
