// oidc-provider with one client that gets JWT access tokens (ES256) by client credentials.
// node server.mjs PORT PROCESSES
import cluster from "node:cluster";
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, processes] = process.argv.slice(2).map(Number);
if (cluster.isPrimary) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = JSON.stringify({ ...privateKey.export({ format: "jwk" }), use: "sig", kid: "bench" });
  for (let n = 0; n < processes; n += 1) cluster.fork({ BENCH_KEY: key });
} else {
  const server = {
    scope: "registers.read",
    audience: "urn:atoll:registers",
    accessTokenTTL: 900,
    accessTokenFormat: "jwt",
    jwt: { sign: { alg: "ES256" } },
  };
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [
      {
        client_id: "bench",
        client_secret: process.env.BENCH_SECRET,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: "ES256",
      },
    ],
    jwks: { keys: [JSON.parse(process.env.BENCH_KEY)] },
    scopes: ["registers.read"],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => server,
        useGrantedResource: () => true,
      },
    },
  });
  provider.listen(port, "127.0.0.1");
}
