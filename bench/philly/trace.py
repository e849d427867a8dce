"""The asks of the Philly trace: who asked when for how many GPUs, and how long each then ran.

Read are the whole trace as the Chronus artifact has it (github.com/S-Lab-System-Group/ChronusArtifact,
`trace_job_Philly_SLO.csv`) and the excerpt that the demo plays; a virtual cluster is a company. Times there are minutes.
"""

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.replay.swf import Job

TRACE = "trace_job_Philly_SLO.csv.gz"
MINUTE_S = 60
LONGEST_MIN = 10**7
MOST_GPUS = 10**6


class BadTrace(Exception):
    """The trace cannot be replayed; the sentence says which line, and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a trace calls what is read of it."""

    id: str
    company: str
    gpus: str
    submit_min: str
    run_min: str


CHRONUS = Columns(id="job_id", company="user", gpus="num_gpu", submit_min="submit_time", run_min="duration")
EXCERPT = Columns(id="job_id", company="vc", gpus="num_gpu", submit_min="submit_minute", run_min="duration_minutes")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyJob(Job):
    """A job, and the company that asks for it; its processors are GPUs, and it asks for the time that it will run."""

    company: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """`jobs` by when they were submitted, those of one minute in the order of the file. `unusable` says line by line
    which ask for no GPU or for no time, and are left out."""

    name: str
    jobs: tuple[CompanyJob, ...]
    unusable: tuple[str, ...] = ()

    def first(self, asks: int | None) -> "Trace":
        """The trace with so many of its asks."""
        return Trace(name=self.name, jobs=self.jobs[:asks], unusable=self.unusable)

    @property
    def companies(self) -> list[str]:
        return sorted({job.company for job in self.jobs})


def read(path: Path) -> Trace:
    """The trace in a file, `.gz` too. Raises BadTrace."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = raw.decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadTrace(f"{path} cannot be read: {error}") from None
    return parsed(path.name, text)


def parsed(name: str, text: str) -> Trace:
    """The trace in this text. Raises BadTrace."""
    rows = csv.DictReader(io.StringIO(text))
    columns = _columns(name, rows.fieldnames or ())
    jobs: list[CompanyJob] = []
    unusable: list[str] = []
    for where, row in _lines(name, rows):
        job = _job(row, columns, where)
        if job.processors and job.run_s:
            jobs.append(job)
        else:
            unusable.append(f"{where}: job {job.id} asks for {job.processors} GPUs for {job.run_s} s")
    if not jobs:
        raise BadTrace(f"{name} has no job that could be replayed")
    jobs.sort(key=lambda job: job.submit)
    return Trace(name=name, jobs=tuple(jobs), unusable=tuple(unusable))


def _columns(name: str, there: Sequence[str]) -> Columns:
    for known in (CHRONUS, EXCERPT):
        if set(_named(known)) <= set(there):
            return known
    raise BadTrace(
        f"{name} is not of the Philly trace: its first line needs the columns {', '.join(_named(CHRONUS))}, "
        f"or {', '.join(_named(EXCERPT))}, not {', '.join(there)[:100] or 'nothing'}"
    )


def _named(columns: Columns) -> list[str]:
    return [columns.id, columns.company, columns.gpus, columns.submit_min, columns.run_min]


def _lines(name: str, rows: "csv.DictReader[str]") -> Iterator[tuple[str, Mapping[str, str | None]]]:
    """Every row with where it is."""
    try:
        for row in rows:
            yield f"{name} line {rows.line_num}", row
    except csv.Error as error:
        raise BadTrace(f"{name} line {rows.line_num}: {error}") from None


def _job(row: Mapping[str, str | None], columns: Columns, where: str) -> CompanyJob:
    company = row[columns.company]
    if not company:
        raise BadTrace(f"{where}: {columns.company} is empty: a job belongs to a virtual cluster")
    run_s = _number(row, columns.run_min, where, LONGEST_MIN) * MINUTE_S
    return CompanyJob(
        id=_number(row, columns.id, where, 10**12),
        company=company,
        submit=_number(row, columns.submit_min, where, LONGEST_MIN) * MINUTE_S,
        run_s=run_s,
        asked_s=run_s,
        processors=_number(row, columns.gpus, where, MOST_GPUS),
    )


def _number(row: Mapping[str, str | None], column: str, where: str, most: int) -> int:
    value = row[column]
    if value is None:
        raise BadTrace(f"{where} ends before its column {column}")
    if not value.isascii() or not value.isdigit() or int(value) > most:
        raise BadTrace(f"{where}: {column} is {value[:30]!r}, not a whole number from 0 to {most:,}")
    return int(value)
