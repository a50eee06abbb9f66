"""The local Functions host: runs an app as the platform would, with workers that can really be killed.

What is where: `__main__` is the command, `host` puts the parts together, `server` is HTTP itself. Triggers:
`httptrigger` with `routes`; `webhook` (Event Grid) with `newtonsoft`; `queues` with `messages`, `storage`, `backoff`
and `connection`; `timers` with `cron`. Around them: `keys`, `hostjson`, `metadata`, and `kestrel` with `request`, how
requests are read. Workers: `pool`, `instance`, `calls` and `process` on the host's side; `wire` between; `worker` the
child, and `runtime/` how that loads and runs the app. For tests: `counts`, `control`. An app that brings its packages
in `.python_packages`, as a deployed one does, is run with these alone, by `isolated`.

What the real host was seen to do is held by tests: its answers to 354 recorded requests, events and messages by
`tests/test_functions_recordings.py`, the rest by `tests/test_functions_*.py` and `tests/test_local_functions_*.py`.

The host never imports the app. Sources are cited by file name: those of azure-functions-host, azure-webjobs-sdk and,
for the queue and Event Grid extensions, azure-sdk-for-net.

What is NOT emulated, or otherwise than on the platform:

| of the platform                       | here                                                                       |
|---------------------------------------|----------------------------------------------------------------------------|
| a host process on each instance       | one process holds the hosts of all instances. `/_local/workers/N/kill`     |
|                                       | stands for kill −9 of one: its leases run out.                             |
| scaling by load, from and to zero     | as many instances as `--workers` says, all the time, never drained; with   |
|                                       | `--scale-groups` so many for each queue function, and one for each other   |
| an instance is replaced in minutes    | after a second; one that ends again and again, with growing delay          |
| requests still go to a stalled one    | HTTP and events go round an instance that `/_local/workers/N/stop` stalled |
|                                       | until it is continued; to a worker that a signal stopped they go           |
| a host that stops answers nothing     | requests wait for the next one, for 30 s                                   |
| a token for runs of a host that stops | none: Python's worker has no use for it, so that a run never hears of it   |
| a placeholder that waits for any app  | the first worker of each instance starts without the app's settings, and   |
|                                       | elsewhere; the packages that it has are the app's own already              |
| keys in storage, several, rotated     | one function, system and master key a run; none for single functions       |
| Easy Auth, CORS, TLS, IP restrictions | none; plain HTTP on loopback                                               |
| other triggers                        | HTTP, Event Grid, storage queue, timer; any other keeps the host from      |
|                                       | starting                                                                   |
| input and output bindings             | an HTTP `$return` only; any other keeps the host from starting             |
| Event Grid with cardinality many      | one event a run                                                            |
| connection strings                    | identity-based connections only                                            |
| AzureWebJobsStorage                   | the host itself stores nothing: a timer runs in this one host, is never    |
|                                       | past due, and `useMonitor` does nothing                                    |
| dynamic concurrency, `retry` policies | neither                                                                    |
| Application Insights, log levels      | all that a worker logs from INFO on goes to the host's stderr              |
| HTTP streaming by FastAPI's types     | none                                                                       |
| route constraints                     | all but datetime, file and nonfile                                         |
| limits of memory and disk             | none                                                                       |
"""
