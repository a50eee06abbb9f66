"""The local Functions host: runs an app as the platform would, with workers that can really be killed.

What is where: `__main__` is the command; `host` puts the parts together; `server` is HTTP itself. Triggers:
`httptrigger` with `routes`; `webhook` (Event Grid) with `newtonsoft`; `queues` with `backoff` and `connection`;
`timers` with `cron`. Around them: `keys`, `hostjson`, `metadata`. Workers: `pool`, `instance` and `process` on the
host's side; `wire` between; `worker` the child, and `runtime/` how that loads and runs the app. For tests: `counts`,
`control`. An app that brings its packages in `.python_packages`, as a deployed one does, is run with these alone, by
`isolated`.

The host never imports the app. Sources are cited by file name: those of azure-functions-host, azure-webjobs-sdk and,
for the queue and Event Grid extensions, azure-sdk-for-net.

What is NOT emulated, or otherwise than on the platform:

| of the platform                       | here                                                                       |
|---------------------------------------|----------------------------------------------------------------------------|
| a host process on each instance       | one process holds the hosts of all instances. A worker that is killed or   |
|                                       | stopped by a signal stands for its whole instance: its leases run out.     |
| a worker that dies alone              | does not happen: on the platform its runs fail, and their messages come    |
|                                       | back after visibilityTimeout already. (So it is here after functionTimeout)|
| scaling by load, from and to zero     | as many instances as `--workers` says, all the time, never drained; with   |
|                                       | `--scale-groups` so many for each queue function, and one for each other   |
| an instance is replaced in minutes    | a new worker at once; after a failed start with growing delay              |
| requests still go to a stalled one    | HTTP and events go round a stopped worker until it is continued            |
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
| the body of a chunked request         | passed on; the real host's conversion looks at Content-Length              |
| route constraints                     | all but datetime, file and nonfile                                         |
| limits of memory and disk             | none                                                                       |
"""
