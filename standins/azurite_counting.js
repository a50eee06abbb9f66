// Loaded into Azurite before it starts (node --require). Counts the requests to each of its ports by their methods, and
// tells the counts to whoever gets /_local/requests: {"PORT": {"METHOD": count}}. A relay that counted would cost each
// request more time than Azurite does.
"use strict";
const { Server } = require("https");

const counts = {};
const emit = Server.prototype.emit;

Server.prototype.emit = function (event, request, response) {
  if (event !== "request") {
    return emit.apply(this, arguments);
  }
  if (request.url === "/_local/requests") {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(counts));
    return true;
  }
  const port = (counts[request.socket.localPort] ??= {});
  port[request.method] = (port[request.method] ?? 0) + 1;
  return emit.apply(this, arguments);
};
