/** Figures, moments and names as people read them. */

const UNITS = ["B", "kB", "MB", "GB"];

/** In decimal units, as the command line has it. */
export function bytes(size) {
  let value = size;
  for (const unit of UNITS) {
    if (value < 1000) return `${unit === "B" || value >= 100 ? Math.round(value) : value.toFixed(1)} ${unit}`;
    value /= 1000;
  }
  return `${value.toFixed(1)} TB`;
}

/** `counted(2, "layer")` is "2 layers". */
export const counted = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** The API's moments have nine digits of a second, which not every browser reads. */
export function dateOf(moment) {
  const date = new Date(String(moment).replace(/(\.\d{3})\d+/, "$1"));
  return Number.isNaN(date.getTime()) ? null : date;
}

/** Whether times are shown in UTC, as logs have them, or as the clock of whoever reads has them. */
export const zone = { utc: false };

const inZone = () => (zone.utc ? "UTC" : undefined);

/** `UTC+1`: of the zone that times are shown in, at that moment. */
export function offsetOf(date) {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: inZone(), timeZoneName: "shortOffset" });
  return format.formatToParts(date).find((it) => it.type === "timeZoneName").value.replace(/^GMT(\+0)?/, "UTC");
}

/** Of this browser, `Europe/Berlin` for one. */
export const ownZone = () => new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The time of day with its zone; with the day, unless that is today. */
export function shortMoment(date) {
  const now = new Date();
  const told = (at, options) => at.toLocaleDateString("en-GB", { timeZone: inZone(), ...options });
  const time = `${date.toLocaleTimeString("en-GB", { timeZone: inZone() })} ${offsetOf(date)}`;
  if (told(date) === told(now)) return time;
  const year = told(date, { year: "numeric" }) === told(now, { year: "numeric" }) ? undefined : "numeric";
  return `${told(date, { day: "numeric", month: "short", year })}, ${time}`;
}

/** `5 min ago`, or `in 5 min`; as exact as a person needs it. */
export function ago(date, now = Date.now()) {
  const seconds = (now - date.getTime()) / 1000;
  const text = roughly(Math.abs(seconds));
  if (text === null) return "just now";
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

function roughly(seconds) {
  if (seconds < 5) return null;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

/** Between two moments of the API, or since the first of them; null if it has not begun. */
export function lasted(from, to) {
  const begin = from && dateOf(from);
  if (!begin) return null;
  const end = (to && dateOf(to)) || new Date();
  return duration(Math.max(0, (end - begin) / 1000));
}

export function duration(seconds) {
  if (seconds < 0.1) return "under 0.1 s";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The text with as much of each digest as tells it from others. */
export const shortened = (text) => text.replace(/(sha\d+:[0-9a-f]{12})[0-9a-f]{52,}/g, "$1…");

const MEDIA = {
  "application/vnd.oci.image.index.v1+json": "index",
  "application/vnd.docker.distribution.manifest.list.v2+json": "index (docker)",
  "application/vnd.oci.image.manifest.v1+json": "image",
  "application/vnd.docker.distribution.manifest.v2+json": "image (docker)",
};

/** What names come from outside, and may be those of every object's own properties. */
const named = (names, key) => (Object.hasOwn(names, key) ? names[key] : undefined);

export const mediaName = (mediaType) => named(MEDIA, mediaType) ?? mediaType.replace(/^application\/(vnd\.)?/, "");

const KINDS = {
  event: "pushed",
  pull: "requested by hand",
  match: "a pull of many",
  deletion: "deleted at the registry",
  unreadable: "unreadable message",
  restore: "a restore",
  "restore-image": "a restore's image",
  archive: "an archive",
  rebuild: "tags set from history",
  audit: "an audit",
};

/** Why there is a job. */
export const kindName = (kind) => named(KINDS, kind) ?? kind;

const SEEN = { event: "pushed", resolve: "looked up", deleted: "deleted at the registry" };

/** What an entry of history says. */
export const seenName = (kind) => named(SEEN, kind) ?? kind;
