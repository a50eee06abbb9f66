/** What each health check looks at, and what it means when it fails. The remedy comes with the failure. */

const CHECKS = {
  settings: [
    "The app's settings are there and make sense.",
    "The app can do nothing: no push is copied, and nothing can be pulled from the mirror.",
  ],
  python: [
    "The packages were built for the Python that runs.",
    "The app may fail at any call: it was deployed with packages of another Python version.",
  ],
  registry: [
    "The registry lists its repositories and the tags of one of them for this identity.",
    "Nothing new is copied. Pushes wait in the queue and are tried again; what is in the mirror can be pulled.",
  ],
  mirror: [
    "The mirror's container can be read.",
    "Nothing can be copied into the mirror or pulled from it until storage answers.",
  ],
  archives: ["The container of archives can be read.", "No archive can be made or downloaded. Copies and pulls go on."],
  links: [
    "Links to blobs in storage can be signed.",
    "Pulls from the mirror, exports and archives fail. Copies into the mirror go on.",
  ],
  queue: [
    "The queue of pushes can be read.",
    "Pushes may not be taken in. Event Grid delivers each again for a day.",
  ],
  "dead-jobs": [
    "No message stays in the poison queue of pushes.",
    "Jobs crashed their workers too often, and have not been moved into their records.",
  ],
  "backfill-queue": [
    "The queue of sweeps, restores, archives and audits can be read.",
    "None of these can be requested or run. Pushes are copied.",
  ],
  "dead-backfill-jobs": [
    "No message stays in the poison queue of sweeps.",
    "Sweeps, restores or audits crashed their workers too often, and have not been moved into their records.",
  ],
  records: [
    "The table of job records can be read.",
    "Jobs can't be followed, cancelled or retried, and pull credentials can't be checked. Copies go on where they can.",
  ],
  events: [
    "No event of the registry was refused within a day.",
    "Pushes were refused and are not in the mirror, most often since a setting names another registry.",
  ],
  comparison: [
    "Everything was compared with the registry in good time.",
    "Nobody knows whether the mirror lacks something that no event told of.",
  ],
  audit: [
    "The last audit left nothing damaged, and is not too long ago.",
    "Something in the mirror is damaged, missing or can't be read, or has not been proven for too long.",
  ],
};

/** `{ looks, fails }`, both empty for a check that this page does not know. */
export function described(name) {
  const [looks, fails] = Object.hasOwn(CHECKS, name) ? CHECKS[name] : ["", ""];
  return { looks, fails };
}
