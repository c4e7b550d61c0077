// May this call pass? ES256 verified by WebCrypto; 204 with the caller's name, or 401 / 403.
const KEY = "{key}";

async function answer(r) {
  const parts = (r.headersIn.Authorization || "").slice(7).split(".");
  if (parts.length !== 3) return r.return(401);
  const key = await crypto.subtle.importKey(
    "spki", Buffer.from(KEY, "base64"), { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
  const good = await crypto.subtle.verify(
    { name: "ECDSA", hash: "SHA-256" }, key,
    Buffer.from(parts[2], "base64url"), Buffer.from(parts[0] + "." + parts[1]));
  if (!good) return r.return(401);
  const claims = JSON.parse(Buffer.from(parts[1], "base64url").toString());
  if (claims.aud !== "urn:atoll:registers" || claims.exp < Date.now() / 1000) return r.return(401);
  if (claims.scope.split(" ").indexOf("registers.read") < 0) return r.return(403);
  r.headersOut["Atoll-Caller"] = claims.client_id;
  return r.return(204);
}

export default { answer };
