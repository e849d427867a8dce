"""Jobs of companies, in short."""

from bench.philly.trace import CompanyJob


def a_job(id: int, *, gpus: int, submit: int = 0, run_s: int = 600, company: str = "a") -> CompanyJob:
    """In seconds."""
    return CompanyJob(id=id, company=company, submit=submit, run_s=run_s, asked_s=run_s, processors=gpus)
