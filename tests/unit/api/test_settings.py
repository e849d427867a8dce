"""What the process takes from its environment."""

import pytest

from api.settings import ApiSettings
from dure import environment
from dure.environment import SettingError

URL = "postgresql://dure@db/dure"


def read(**environ: str) -> ApiSettings:
    return environment.read(ApiSettings, environ, prefix="DURE_API_", shared=("database_url",))


def test_only_the_database_has_to_be_said() -> None:
    settings = read(DURE_DATABASE_URL=URL)
    assert (settings.database_url, settings.host, settings.port) == (URL, "127.0.0.1", 8470)


def test_networks_that_webhooks_may_go_to_are_separated_by_commas() -> None:
    assert read(DURE_DATABASE_URL=URL).webhook_networks == ()
    found = read(DURE_DATABASE_URL=URL, DURE_API_WEBHOOK_NETWORKS="10.1.0.0/16, ::1/128")
    assert [str(network) for network in found.webhook_networks] == ["10.1.0.0/16", "::1/128"]


def test_the_addresses_of_clusters_are_separated_by_commas() -> None:
    assert read(DURE_DATABASE_URL=URL).cluster_urls == {}
    said = "main=https://k8s.example.org:6443/, edge=https://10.1.0.1"
    found = read(DURE_DATABASE_URL=URL, DURE_API_CLUSTER_URLS=said).cluster_urls
    assert found == {"main": "https://k8s.example.org:6443", "edge": "https://10.1.0.1"}


def test_the_longest_key_is_30_days_where_nothing_else_is_said() -> None:
    assert read(DURE_DATABASE_URL=URL).longest_key_s == 30 * 86_400
    assert read(DURE_DATABASE_URL=URL, DURE_API_LONGEST_KEY_S="3600").longest_key_s == 3600


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        pytest.param({}, "DURE_DATABASE_URL", id="no database"),
        pytest.param(
            {"DURE_DATABASE_URL": URL, "DURE_API_PROT": "1"}, "did you mean DURE_API_PORT", id="a misspelling"
        ),
        pytest.param({"DURE_DATABASE_URL": URL, "DURE_API_PORT": "http"}, "DURE_API_PORT", id="a port that is none"),
        pytest.param({"DURE_DATABASE_URL": URL, "DURE_API_PORT": "65536"}, "65535", id="a port too high"),
        pytest.param({"DURE_DATABASE_URL": "dure.db"}, "DURE_DATABASE_URL.*postgres", id="another database"),
        pytest.param(
            {"DURE_DATABASE_URL": URL, "DURE_API_WEBHOOK_NETWORKS": "localhost"}, "10.1.0.0/16", id="no network"
        ),
        pytest.param({"DURE_DATABASE_URL": URL, "DURE_API_CLUSTERS": "main"}, "main=/etc", id="no kubeconfig"),
        pytest.param({"DURE_DATABASE_URL": URL, "DURE_API_CLUSTER_URLS": "main=k8s"}, "main=https://", id="no address"),
        pytest.param({"DURE_DATABASE_URL": URL, "DURE_API_LONGEST_KEY_S": "599"}, "longestKeySeconds", id="no key"),
        pytest.param({"DURE_DATABASE_URL": URL, "DURE_API_CONNECTIONS": "0"}, "connections", id="no connections"),
    ],
)
def test_a_setting_that_is_wrong_is_named(environ: dict[str, str], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        read(**environ)
