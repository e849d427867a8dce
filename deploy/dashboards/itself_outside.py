"""The part of *Dure itself* that looks outward: the API and its clients, clusters, webhooks, certificates, backups."""

from collections.abc import Sequence

from deploy.dashboards.asking import Query
from deploy.dashboards.choices import A_SECOND, BACKED_UP, CASES, DAYS_LEFT, OPEN, PODS, SECONDS
from deploy.dashboards.lines import lines, shades
from deploy.dashboards.page import Section
from deploy.dashboards.panels import bars
from deploy.dashboards.series import state
from deploy.dashboards.told import or_zero, quantile

RATE = "$__rate_interval"
CLUSTER = 'cluster=~"$cluster"'
API = "dure_api_request_duration_seconds"
NO_STREAM = 'route!="/v1/events"'


def sections() -> Sequence[Section]:
    return [_api(), _clusters(), _away()]


def _api() -> Section:
    answers = (
        f'sum by (class) (label_replace(rate(dure_api_requests_total[{RATE}]), "class", "${{1}}xx", "status", "(.).*"))'
    )
    slow = f"topk(10, {quantile(0.99, API, NO_STREAM, by='route, method')})"
    return Section(
        "API",
        [
            shades("Answers", "Requests answered, by class of status.", Query(answers, "{{class}}"), A_SECOND),
            shades(
                "Slowest routes",
                "How long the slowest hundredth of requests took, for the ten slowest routes, event streams left out; a dot is one request, with its id.",
                Query(slow, "{{method}} {{route}}", exemplars=True),
                SECONDS,
            ),
            shades(
                "Reports of nodes",
                "Reports that the API got, by what came of them.",
                Query(f"sum by (outcome) (rate(dure_api_reports_total[{RATE}]))", "{{outcome}}"),
                A_SECOND,
            ),
            lines(
                "Waiting at the API",
                "Reports that wait to be taken in, and event streams that are open.",
                [
                    Query("sum(dure_api_reports_waiting)", "reports"),
                    Query("sum(dure_api_event_streams)", "event streams"),
                ],
                OPEN,
            ),
        ],
    )


def _clusters() -> Section:
    drift = [
        Query(f"sum({state('dure_kube_undone', CLUSTER)})", "not done yet"),
        Query(f"sum({state('dure_cluster_alarms', CLUSTER)})", "to be seen to by hand"),
        Query(f"sum({state('dure_kube_pods_unexplained', CLUSTER)})", "pods without a lease"),
        Query(f"sum({state('dure_kube_companies_troubled', CLUSTER)})", "companies nothing is done for"),
    ]
    return Section(
        "Clusters",
        [
            lines("Drift", "How far clusters are from what leases say.", drift, CASES),
            shades(
                "Age of drift",
                "For how long the oldest of what is to be done in a cluster could not be.",
                Query(state("dure_kube_undone_age_seconds", CLUSTER), "{{cluster}}"),
                SECONDS,
            ),
            shades(
                "Changes",
                "Changes asked of clusters, by what came of them.",
                Query(f"sum by (outcome) (rate(dure_kube_actions_total{{{CLUSTER}}}[{RATE}]))", "{{outcome}}"),
                A_SECOND,
            ),
            lines(
                "How long clusters take",
                "How long the slowest hundredth of changes, and of looks at all that changed, took.",
                [
                    Query(quantile(0.99, f"dure_kube_{what}_duration_seconds", CLUSTER), name)
                    for what, name in (("action", "a change"), ("turn", "a look"))
                ],
                SECONDS,
            ),
            lines(
                "How late pods are ended",
                "From the instant at which a pod is to be ended to asking for it.",
                [
                    Query(quantile(part, "dure_kube_end_lateness_seconds", CLUSTER), name)
                    for part, name in ((0.5, "half"), (0.99, "slowest of 100"))
                ],
                SECONDS,
            ),
            lines(
                "Pods",
                "Pods that were let in, and pods that wait at the gate.",
                [
                    Query(f"sum({state('dure_kube_pods_placed', CLUSTER)})", "let in"),
                    Query(or_zero(f"sum({state('dure_kube_pods_waiting', CLUSTER)})"), "at the gate"),
                ],
                PODS,
            ),
        ],
    )


def _away() -> Section:
    return Section(
        "Webhooks, certificates, backups",
        [
            shades(
                "Webhooks",
                "What was sent to webhooks, by what came of it.",
                Query(
                    or_zero(f"sum by (outcome) (rate(dure_webhook_deliveries_total[{RATE}]))", label="outcome"),
                    "{{outcome}}",
                ),
                A_SECOND,
            ),
            lines(
                "Untold webhooks",
                "Age of the oldest event that a working webhook was not sent yet.",
                [Query(or_zero(state("dure_webhook_unsent_age_seconds")), "oldest")],
                SECONDS,
            ),
            bars(
                "Certificates",
                "How long each certificate is good for.",
                [
                    Query(
                        f"{state('dure_certificate_expiry_timestamp_seconds', least=True)} - time()", "{{certificate}}"
                    )
                ],
                SECONDS,
                steps=DAYS_LEFT,
            ),
            bars(
                "Last backup",
                "How long ago the database's log was put into the archive; nothing where no archive is set up.",
                [Query(f"time() - {state('dure_backup_last_timestamp_seconds')}", "age")],
                SECONDS,
                steps=BACKED_UP,
            ),
        ],
    )
