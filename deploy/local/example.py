"""Something to ask for on the first day: a pool of the simulated GPUs, and a company with a quota and a token."""

from deploy.local.cli import Dure
from deploy.local.folder import Folder
from deploy.local.processes import PRODUCT

POOL = "h100-80gb"
COMPANY = "acme"
QUOTA_GPUS = 16


def make(dure: Dure, folder: Folder) -> None:
    """Does nothing once there is any other pool or company. Begun and cut short, it is finished the next time."""
    pools, companies = dure.names("pool"), dure.names("company")
    others = pools - {POOL} or companies - {COMPANY}
    if others or (COMPANY in companies and folder.company_token.exists()):
        return
    folder.company_token.unlink(missing_ok=True)
    if POOL not in pools:
        dure("pool", "add", POOL, "--product", PRODUCT)
    if COMPANY not in companies:
        dure("company", "add", COMPANY)
    dure("quota", "set", COMPANY, POOL, "--gpus", str(QUOTA_GPUS))
    dure(
        "token", "issue", "--company", COMPANY, "--label", "made by make up", "--token-file", str(folder.company_token)
    )


def is_there(dure: Dure, folder: Folder) -> bool:
    """Whether the example's token, company and pool can be used."""
    return folder.company_token.exists() and COMPANY in dure.names("company") and POOL in dure.names("pool")
