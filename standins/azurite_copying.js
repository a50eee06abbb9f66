// Loaded into Azurite before it starts (node --require). When it copies from a URL, Azurite 3.37 asks itself, at the
// address that it listens on, and trusts just the certificate that it presents. That does for one that is self-signed;
// the stand-ins' are signed by an authority, and were never trusted. Whom it asks is certain without.
"use strict";
const https = require("https");
const Agent = https.Agent;

https.Agent = class extends Agent {
  constructor(options) {
    const itself = options && options.ca && options.checkServerIdentity;
    super(itself ? { ...options, rejectUnauthorized: false } : options);
  }
};
