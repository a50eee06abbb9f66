"""The app: every client and part is made here, once, and nothing else wires them together."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Self

from acrmirror.copying import Budget
from acrmirror.copying.budget import UNIT as BLOCK
from acrmirror.credentials import make_credential, registry_credential
from acrmirror.dispatch import Dispatch
from acrmirror.health import HealthChecks, risks
from acrmirror.jobs import JobQueue, JobRecords, Refusals, TableClaims
from acrmirror.jobs.asking_again import Checks
from acrmirror.jobs.batches import AT_ONCE, BatchRunner
from acrmirror.jobs.burial import Burial
from acrmirror.jobs.intake import Intake
from acrmirror.jobs.pulls import Pulls
from acrmirror.jobs.runner import Manner, Runner
from acrmirror.memory import check_blocks, give_back_what_is_freed, memory_of_this_machine
from acrmirror.mirror import Layout, MirrorStore, Owner
from acrmirror.mirror.counting import Counting
from acrmirror.overview import Overview
from acrmirror.proof.audits import Audits, AuditTimer
from acrmirror.proof.ledger import Ledger
from acrmirror.proof.mending import MendingPulls
from acrmirror.proof.proofs import Proofs
from acrmirror.proof.runner import AuditRunner
from acrmirror.registry import Redirects, Registry, Session
from acrmirror.restore.images import SendingManner
from acrmirror.restore.restores import Restores
from acrmirror.restore.runner import ImageRunner as RestoredImages
from acrmirror.restore.runner import ListRunner as RestoreLists
from acrmirror.restore.runner import RestoreRunner
from acrmirror.restore.targets import Targets
from acrmirror.retrying import RetryPolicy
from acrmirror.serve.archives.requests import Archives
from acrmirror.serve.archives.runner import ArchiveRunner
from acrmirror.serve.distribution import Distribution, Guard
from acrmirror.serve.images import Images
from acrmirror.serve.pull_credentials import PullCredentials
from acrmirror.serve.sealed import Sealed, key_in
from acrmirror.serve.sign_in import Closed, Open, SignIn
from acrmirror.settings import Settings
from acrmirror.stats import Stats
from acrmirror.storage import Container
from acrmirror.sync.comparisons import Comparisons
from acrmirror.sync.rebuilds import RebuildRunner, Rebuilds
from acrmirror.sync.runner import SweepRunner
from acrmirror.sync.sweeps import Sweeps
from acrmirror.sync.timer import Timer
from acrmirror.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class App:
    """One registry, one mirror. Its parts are siblings, and thread-safe; open it once a process and close it
    with it."""

    intake: Intake
    dispatch: Dispatch
    pulls: Pulls
    sweeps: Sweeps
    timer: Timer
    audits: Audits
    restores: Restores
    audit_timer: AuditTimer
    proofs: Proofs
    images: Images
    archives: Archives
    rebuilds: Rebuilds
    distribution: Distribution
    credentials: PullCredentials
    overview: Overview
    stats: Stats
    owner: Owner
    health: HealthChecks
    telemetry: Telemetry
    _closing: ExitStack = field(repr=False)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Makes every client, all with one credential. Nothing is fetched yet."""
        with ExitStack() as clients:
            credential = make_credential(settings)
            clients.callback(credential.close)
            trust = settings.trust_bundle
            session = Session(
                settings.registry,
                registry_credential(settings, credential),
                settings.registry_audience,
                Redirects(settings.redirect_hosts, settings.redirect_local),
                trust,
            )
            clients.callback(session.close)
            registry = Registry(session)
            store = MirrorStore.open(
                settings.blob_endpoint,
                settings.container,
                credential,
                prefix=settings.prefix,
                trust_bundle=trust,
                connections=64,
            )
            clients.callback(store.close)
            archives = Container.open(
                settings.blob_endpoint, settings.archives_container, credential, trust_bundle=trust, connections=16
            )
            clients.callback(archives.close)
            queue = JobQueue.open(settings.queue_endpoint, credential, trust)
            clients.callback(queue.close)
            records = JobRecords.open(settings.table_endpoint, settings.table, credential, trust)
            clients.callback(records.close)
            telemetry = Telemetry.open(settings, credential)
            clients.callback(telemetry.close)

            credentials = PullCredentials(records.table, settings.registry)
            claims = TableClaims(records.table, settings.claim_stale_seconds, records)
            refusals = Refusals(records.table)
            comparisons = Comparisons(records.table)
            policy = RetryPolicy(
                timedelta(seconds=settings.not_found_seconds), timedelta(seconds=settings.retry_seconds)
            )
            checks = Checks(settings.recheck_seconds, store, queue, records)
            window = timedelta(seconds=settings.recheck_seconds[-1])
            check_blocks(settings.threads, BLOCK, memory_of_this_machine())
            give_back_what_is_freed()
            budget = Budget(settings.threads)
            clients.callback(budget.close)
            manner = Manner(settings.threads, budget, settings.claim_stale_seconds, window)
            runner = Runner(registry, store, checks, queue, records, claims, policy, manner, telemetry)
            sweep_runner = SweepRunner(
                settings, registry, store.listing, queue, records, comparisons, policy, telemetry
            )
            layout = Layout(settings.prefix)
            owner = Owner(store.container, settings.registry, settings.prefix)
            ledger = Ledger(store.container, layout, records.table)
            audit_runner = AuditRunner(
                settings.registry,
                store.container,
                layout,
                ledger,
                MendingPulls(queue, records),
                queue,
                policy,
                telemetry,
            )
            targets = Targets(
                settings.restore_targets,
                lambda host: Session(
                    host,
                    credential,
                    settings.registry_audience,
                    Redirects(settings.redirect_hosts, settings.redirect_local),
                    trust,
                    pushes=True,
                ),
            )
            clients.callback(targets.close)
            sending = SendingManner(settings.threads, budget, settings.claim_stale_seconds)
            restore_runner = RestoreRunner(
                RestoreLists(settings.registry, store, targets, queue, records, policy, telemetry),
                RestoredImages(store, targets, queue, records, policy, sending, telemetry),
            )
            audits = Audits(ledger, queue)
            pulls = Pulls(settings, registry, queue, records)
            restores = Restores(settings.registry, targets, queue, records)
            sweeps = Sweeps(settings.registry, queue, records)
            images = Images(settings, store)
            host = settings.registry
            archive_runner = ArchiveRunner(host, images, store, archives, queue, records, policy, telemetry)
            rebuild_runner = RebuildRunner(host, store, queue, records, policy, telemetry)
            batches = BatchRunner(runner, queue, records, claims, min(AT_ONCE, settings.threads))
            burial = Burial(records, claims, telemetry)
            return cls(
                intake=Intake(settings, queue, records, refusals, telemetry),
                dispatch=Dispatch(
                    runner, batches, sweep_runner, audit_runner, archive_runner, rebuild_runner, restore_runner, burial
                ),
                pulls=pulls,
                sweeps=sweeps,
                timer=Timer(
                    settings.compare_hours, settings.mirrored, sweeps, comparisons, records, telemetry, claims, queue
                ),
                restores=restores,
                audits=audits,
                audit_timer=AuditTimer(settings.audit_days, audits, ledger, telemetry),
                images=images,
                proofs=Proofs(store.container, layout, ledger),
                archives=Archives(images, archives, queue, records),
                rebuilds=Rebuilds(host, queue, records),
                distribution=Distribution(
                    settings.registry, store, _guard(settings, credentials), Sealed(key_in(records.table))
                ),
                credentials=credentials,
                overview=Overview(pulls, restores, audits, records),
                stats=Stats(
                    host, settings.mirrored, Counting(store.container, layout, records.table), records, queue, ledger
                ),
                owner=owner,
                health=HealthChecks(
                    registry,
                    store,
                    owner,
                    archives,
                    queue,
                    records,
                    refusals,
                    comparisons,
                    settings.compare_hours,
                    ledger,
                    settings.audit_days,
                    risks(settings.registry_region, settings.region, settings.redundancy),
                ),
                telemetry=telemetry,
                _closing=clients.pop_all(),
            )

    def close(self) -> None:
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _guard(settings: Settings, credentials: PullCredentials) -> Guard:
    match settings.serve:
        case "off":
            return Closed()
        case "anonymous":
            return Open()
        case _:
            return SignIn(credentials)
