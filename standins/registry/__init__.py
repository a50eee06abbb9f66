"""A stand-in for Azure Container Registry on one machine, true enough that clients of the real one run unchanged.

`python -m standins.registry --cert server.pem` runs it; its ready line is {"registry": "localhost:PORT", "data":
"localhost:PORT", "control": token}. Blobs are answered with a redirect to a signed URL on the second port. What tests
and benchmarks ask of it beside the registry's own APIs is under /_local/, see control.py and faults.py.

Where a constant or a form comes from is said beside it: "seen" or "recorded" means in the traffic of real registries
(a condensed record of it is replayed by the tests), other sources are named.

What is not emulated:

| the real one                                              | here                                                     |
|-----------------------------------------------------------|----------------------------------------------------------|
| signs tokens with RS256, keys published                   | HS256 with a secret of the process; clients can't tell   |
| geo-replicas, zones, data endpoints by region             | one place; lag by the faults not_found_for_s,            |
|                                                           | stale_tag_for_s and behind_s                             |
| limits of calls and of bandwidth by service tier          | none, unless faults ask for them                         |
| 413 for single uploads of more than about 20 MB           | over 20,000,000 bytes; streams and chunks of any size    |
| roles in Azure, ABAC conditions, repository-scoped tokens | grants, set by the control API                           |
| locks: deleteEnabled, writeEnabled … false                | kept and reported, not enforced                          |
| quarantine, scans, retention, purge tasks                 | none; quarantineState is always Passed                   |
| soft delete: lists, restores, an end                      | a deleted digest is refused, if the control API says so  |
| import, artifact cache, connected registries, tasks       | none                                                     |
| referrers go with their subject                           | they stay, as distribution-spec 1.1 leaves them          |
| legacy Helm charts with ChartPushed and ChartDeleted      | any event can be sent by the control API                 |
| docker schema 1, converted for clients that ask for it    | refused                                                  |
| sha512: not seen that it takes it                         | takes it, as the specification's conformance suite asks  |
| a signed URL with an Authorization header is refused      | taken and counted: clients send it along from one port   |
|                                                           | of a host to another, and never from host to host        |
| Blob Storage behind the redirect, with all of its API     | GET and HEAD of signed URLs                              |
| Event Grid: batches, filters, probation after failures,   | one event a delivery, no filters, no probation, dead     |
| dead letters written to a container                       | letters read by the control API                          |
"""
