/** Addresses within the page: what follows the `#`, so that a link to a job or an image works. */

const REPOSITORY = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$/;

/** `#/image/team/app:1.2?n=3` is `{ name: "image", rest: "team/app:1.2", query: { n: "3" } }`. */
export function readHash(hash) {
  const [path, query = ""] = hash.replace(/^#?\/?/, "").split(/\?(.*)/s);
  const [name, ...rest] = path.split("/");
  return { name, rest: rest.map(decoded).join("/"), query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The address of a view; what of `query` is empty is left out. */
export function route(name, rest = "", query = {}) {
  const path = rest.split("/").map((it) => encodeURIComponent(it).replaceAll("%3A", ":").replaceAll("%40", "@"));
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return `#/${[name, ...(rest ? path : [])].join("/")}${search ? `?${search}` : ""}`;
}

/** What `text` names, null if that is no image: a digest goes before a tag that is given with it. */
export function parseReference(text) {
  const [named, digest] = text.split("@");
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/");
  const repository = hasTag ? named.slice(0, colon) : named;
  const tag = hasTag ? named.slice(colon + 1) : null;
  if (!REPOSITORY.test(repository) || (tag === null && digest === undefined)) return null;
  if ((tag !== null && !TAG.test(tag)) || (digest !== undefined && !DIGEST.test(digest))) return null;
  return { repository, tag, digest, reference: digest ? `${repository}@${digest}` : `${repository}:${tag}` };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
