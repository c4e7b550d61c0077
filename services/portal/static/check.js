// Checks in this browser that an entry is in its register: hashes the item, the entry and the audit
// path (objecthash; RFC 6962 section 2.1.1), compares the result with the register's fingerprint,
// and draws what it hashed. It needs WebCrypto, which browsers give to https and localhost only.
"use strict";
(() => {
  // ---- hashes: bytes in, 32 bytes out -------------------------------------------------------
  const utf8 = new TextEncoder();
  const bytes = (hex) => Uint8Array.from(hex.match(/../g) || [], (pair) => parseInt(pair, 16));
  const hex = (data) => Array.from(data, (one) => one.toString(16).padStart(2, "0")).join("");

  const join = (...parts) => {
    const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
    let end = 0;
    for (const part of parts) {
      whole.set(part, end);
      end += part.length;
    }
    return whole;
  };
  const sha256 = async (...parts) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));
  const tagged = (tag, ...parts) => sha256(utf8.encode(tag), ...parts);
  const hashText = (text) => tagged("u", utf8.encode(String(text).normalize("NFC")));
  const sorted = (hashes) => hashes.sort((one, other) => (hex(one) < hex(other) ? -1 : 1));

  // A value that was redacted stands for its own hash; an empty value is no value.
  const hashValue = async (value) => {
    if (Array.isArray(value)) {
      const elements = await Promise.all(value.filter(Boolean).map(hashText));
      return elements.length ? tagged("s", ...sorted(elements)) : null;
    }
    const redacted = /^\*\*REDACTED\*\*(?:1220)?([0-9a-f]{64})$/.exec(value);
    if (redacted) return bytes(redacted[1]);
    return value ? hashText(value) : null;
  };

  const hashItem = async (item) => {
    const pairs = [];
    for (const [name, value] of Object.entries(item)) {
      const hash = await hashValue(value);
      if (hash) pairs.push(join(await hashText(name), hash));
    }
    return tagged("d", ...sorted(pairs));
  };

  const MULTIHASH = bytes("1220"); // says: SHA-256, 32 bytes
  const hashEntry = async (entry, itemHash) =>
    tagged(
      "l",
      await tagged("i", utf8.encode(String(entry["entry-number"]))),
      await hashText(entry.key),
      await tagged("t", utf8.encode(entry["entry-timestamp"])),
      await tagged("r", MULTIHASH, itemHash),
    );
  const hashLeaf = (entryHash) => sha256([0], entryHash);
  const hashNode = (earlier, later) => sha256([1], earlier, later);

  // ---- the tree: which entries each hash of the audit path stands for, from the leaf up -----
  const neighbours = (place, first, size) => {
    if (size <= 1) return [];
    let half = 1; // the largest power of two below size
    while (half * 2 < size) half *= 2;
    return place < half
      ? [...neighbours(place, first, half), { side: "later", from: first + half, to: first + size - 1 }]
      : [
          ...neighbours(place - half, first + half, size - half),
          { side: "earlier", from: first, to: first + half - 1 },
        ];
  };

  const climb = async (leaf, number, size, path) => {
    const steps = neighbours(number - 1, 1, size);
    if (steps.length !== path.length) return { steps: [], root: null };
    let reached = { hash: leaf, from: number, to: number };
    for (const [index, step] of steps.entries()) {
      if (!/^1220[0-9a-f]{64}$/.test(path[index])) return { steps: [], root: null };
      step.hash = bytes(path[index].slice(4));
      const pair = step.side === "later" ? [reached.hash, step.hash] : [step.hash, reached.hash];
      reached = {
        hash: await hashNode(...pair),
        from: Math.min(reached.from, step.from),
        to: Math.max(reached.to, step.to),
      };
      step.reached = reached;
    }
    return { steps, root: hex(reached.hash) };
  };

  // ---- asking: everything fresh, through the gateway -----------------------------------------
  const ask = async (register, ...path) => {
    const address = ["/registers", ...[register, ...path].map(encodeURIComponent)].join("/");
    const answer = await fetch(address, {
      cache: "no-store",
      credentials: "omit",
      headers: { Accept: "application/json" },
    });
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    return answer.json();
  };

  const verify = async ({ register, entry: number, key, blob }) => {
    const [entry, { _id, ...item }, head] = await Promise.all([
      ask(register, "entries", number),
      ask(register, "blobs", blob),
      ask(register, "proofs", "register"),
    ]);
    const size = Number(head["total-entries"]);
    const proof = await ask(register, "proofs", "entries", number, size);
    const itemHash = await hashItem(item);
    const leaf = await hashLeaf(await hashEntry(entry, itemHash));
    const { steps, root } = await climb(leaf, Number(number), size, proof["audit-path"]);
    const same = // what the page shows is what was hashed
      String(entry["entry-number"]) === number &&
      entry.key === key &&
      `1220${hex(itemHash)}` === blob;
    const good = same && `1220${root}` === head["root-hash"];
    return { leaf, steps, size, root, head: head["root-hash"], good };
  };

  // ---- showing -------------------------------------------------------------------------------
  const texts = document.querySelector("[data-check-texts]")?.dataset;
  const say = (key, values = {}) =>
    texts[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  const element = (name, className, ...children) => {
    const made = document.createElement(name);
    made.className = className;
    made.append(...children);
    return made;
  };
  const fingerprint = (hash) => {
    const code = element("code", "", `${hash.slice(0, 8)}…${hash.slice(-4)}`);
    code.dir = "ltr";
    code.title = hash;
    return code;
  };
  const span = ({ from, to }) =>
    from === to ? say("one", { number: from }) : say("many", { from, to });
  const box = (className, words, hash) =>
    element("div", `node ${className}`, element("span", "", words), " ", fingerprint(hash));

  const draw = (told, number) => {
    const rows = [element("li", "", box("here", say("this", { number }), hex(told.leaf)))];
    told.steps.forEach((step, index) => {
      const last = index === told.steps.length - 1;
      rows.push(
        element(
          "li",
          step.side,
          box("beside", say(step.side, { which: span(step) }), hex(step.hash)),
          last
            ? box(told.good ? "top" : "top wrong", say("root"), told.root)
            : box("", say("together", { which: span(step.reached) }), hex(step.reached.hash)),
        ),
      );
    });
    if (!told.good) {
      rows.push(element("li", "", box("top", say("published"), told.head.slice(4))));
    }
    return element("ol", "hash-path", ...rows);
  };

  const run = async (button) => {
    const place = document.getElementById(button.dataset.into);
    const number = button.dataset.entry;
    button.setAttribute("aria-disabled", "true");
    place.querySelector(".outcome").textContent = say("working");
    place.querySelector(".drawing").replaceChildren();
    let words;
    let good = false;
    try {
      const told = await verify(button.dataset);
      good = told.good;
      const values = { number, size: told.size, count: told.steps.length };
      words = say(good ? "good" : "bad", values);
      place.querySelector(".drawing").append(...(told.root ? [draw(told, number)] : []));
    } catch {
      words = say("lost", { number });
    }
    place.className = `check-result ${good ? "good" : "bad"}`;
    place.querySelector(".outcome").textContent = words;
    button.removeAttribute("aria-disabled");
  };

  if (!texts || !window.crypto?.subtle || !window.fetch) return;
  for (const button of document.querySelectorAll("[data-check]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      if (!button.hasAttribute("aria-disabled")) run(button);
    });
  }
  for (const other of document.querySelectorAll("[data-check-without]")) other.hidden = true;
})();
