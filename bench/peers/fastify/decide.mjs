// What Caddy's forward_auth asks: may this call pass? 204 with the caller's name, or 401 / 403.
// node decide.mjs PORT PUBLIC_KEY_FILE
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createVerifier } from "fast-jwt";

const [port, keyFile] = process.argv.slice(2);
const verify = createVerifier({
  key: readFileSync(keyFile),
  algorithms: ["ES256"],
  allowedAud: "urn:atoll:registers",
  cache: 10000,
});
createServer((request, response) => {
  let token;
  try {
    token = verify((request.headers.authorization ?? "").slice(7));
  } catch {
    return response.writeHead(401).end();
  }
  const may = token.scope.split(" ").includes("registers.read");
  return response.writeHead(may ? 204 : 403, { "Atoll-Caller": token.client_id }).end();
}).listen(Number(port), "127.0.0.1");
