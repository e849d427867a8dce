"""Something to ask for on the first day: a pool of the simulated GPUs, and a company with a quota and a token."""

from deploy.local.cli import Dure
from deploy.local.folder import Folder
from deploy.local.processes import PRODUCT

POOL = "h100-80gb"
COMPANY = "acme"
QUOTA_GPUS = 16


def make(dure: Dure, folder: Folder) -> bool:
    """True when the example is there to be used. Begun and cut short, it is finished the next time.

    Once there is any other pool or company, nothing is made. Raises CannotStart, Ended.
    """
    pools, companies = dure.names("pool"), dure.names("company")
    has_token = folder.company_token.exists() and COMPANY in companies
    if has_token or pools - {POOL} or companies - {COMPANY}:
        return has_token and POOL in pools
    folder.company_token.unlink(missing_ok=True)
    if POOL not in pools:
        dure("pool", "add", POOL, "--product", PRODUCT, "--why", "an example to begin with")
    if COMPANY not in companies:
        dure("company", "add", COMPANY)
    dure("quota", "set", COMPANY, POOL, "--gpus", str(QUOTA_GPUS))
    dure(
        "token", "issue", "--company", COMPANY, "--label", "made by make up", "--token-file", str(folder.company_token)
    )
    return True
