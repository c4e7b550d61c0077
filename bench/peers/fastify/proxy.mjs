// The gateway's policy with fastify: route, ES256 token cached by token, scope, rate limit, who calls, trace.
// node proxy.mjs PORT UPSTREAM PUBLIC_KEY_FILE
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import proxy from "@fastify/http-proxy";
import limit from "@fastify/rate-limit";
import { createVerifier } from "fast-jwt";
import Fastify from "fastify";

const [port, upstream, keyFile] = process.argv.slice(2);
const verify = createVerifier({
  key: readFileSync(keyFile),
  algorithms: ["ES256"],
  allowedAud: "urn:atoll:registers",
  cache: 10000,
});
const app = Fastify({ logger: false });
await app.register(limit, {
  max: 1e9,
  timeWindow: "1 minute",
  hook: "preHandler",
  keyGenerator: (request) => request.caller ?? request.ip,
});
app.decorateRequest("caller", null);
await app.register(proxy, {
  upstream,
  prefix: "/registers",
  rewritePrefix: "/registers",
  http: { requestOptions: { timeout: 10000 } },
  preValidation: async (request, reply) => {
    let token;
    try {
      token = verify((request.headers.authorization ?? "").slice(7));
    } catch {
      return reply.code(401).send({ title: "Sign in first" });
    }
    if (!token.scope.split(" ").includes("registers.read")) {
      return reply.code(403).send({ title: "The scope is missing" });
    }
    request.caller = token.client_id;
  },
  replyOptions: {
    rewriteRequestHeaders: (request, headers) => ({
      ...headers,
      "atoll-caller": request.caller,
      traceparent: `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01`,
    }),
  },
});
await app.listen({ port: Number(port), host: "127.0.0.1" });
