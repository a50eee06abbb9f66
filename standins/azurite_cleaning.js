// Loaded into Azurite before it starts (node --require). Azurite 3.37 looks every ten minutes for stored bytes that no
// blob or message refers to any more, and takes them out of its index one by one; the index is sorted anew for each. That
// is quadratic: for 3,000 blobs written twice, storage answers nobody for minutes. Here one pass takes out all of them.
//
// Nor does Azurite spare what a request under way has stored and not yet named: it compares a field that it never
// sets. Here what is younger than an interval stays.
"use strict";
const path = require("path");

const source = path.dirname(process.argv[1]);
const interval = Number(process.env.STANDINS_AZURITE_CLEANING_MS);
const store = require(path.join(source, "common/persistence/MemoryExtentStore.js")).default.prototype;

if (!(interval > 0) || typeof store.deleteExtents !== "function") {
  throw new Error("azurite_cleaning.js does not fit this Azurite, or its interval is missing");
}
for (const service of ["blob", "queue"]) {
  require(path.join(source, service, "utils/constants.js")).DEFAULT_GC_INTERVAL_MS = interval;
}

store.deleteExtents = async function (unreferenced) {
  const metadata = this.metadataStore;
  const extents = metadata.db.getCollection(metadata.EXTENTS_COLLECTION);
  const old = Date.now() - interval;
  const ends = (extent) => unreferenced.has(extent.id) && extent.lastModifiedInMS < old;
  const ending = extents.where(ends).map((extent) => extent.id);
  if (ending.length > 0) {
    extents.removeWhere(ends);
    for (const id of ending) {
      this.chunks.delete(this.categoryName, id);
    }
    console.log(`cleaned up in ${this.categoryName}: ${ending.length} extents`);
  }
  return ending.length;
};
