// Passkeys: turns the options of the page into the browser's dialogue and sends its answer as a form.
"use strict";
(() => {
  const bytes = (text) => {
    const padded = text.replace(/-/g, "+").replace(/_/g, "/").padEnd(Math.ceil(text.length / 4) * 4, "=");
    return Uint8Array.from(atob(padded), (letter) => letter.charCodeAt(0));
  };
  const text = (buffer) => {
    const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const PLAIN = ["type", "authenticatorAttachment"];
  const IN_BYTES = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];

  const prepared = (options) => {
    const ready = { ...options, challenge: bytes(options.challenge) };
    if (ready.user) ready.user = { ...ready.user, id: bytes(ready.user.id) };
    for (const list of ["excludeCredentials", "allowCredentials"]) {
      if (ready[list]) ready[list] = ready[list].map((one) => ({ ...one, id: bytes(one.id) }));
    }
    return ready;
  };

  const written = (credential) => {
    const answer = { id: credential.id, rawId: text(credential.rawId), response: {} };
    for (const name of PLAIN) answer[name] = credential[name];
    for (const name of IN_BYTES) {
      if (credential.response[name]) answer.response[name] = text(credential.response[name]);
    }
    answer.clientExtensionResults = credential.getClientExtensionResults();
    return JSON.stringify(answer);
  };

  const begin = (form) => {
    const problem = form.querySelector("[data-passkey-problem]");
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      if (form.elements.credential.value) return; // the answer is in: send it
      event.preventDefault();
      problem.hidden = true;
      const publicKey = prepared(JSON.parse(form.dataset.options));
      try {
        const credential = await navigator.credentials[form.dataset.passkey]({ publicKey });
        form.elements.credential.value = written(credential);
        form.submit();
      } catch {
        problem.hidden = false;
      }
    });
  };

  if (window.PublicKeyCredential && window.isSecureContext) {
    document.querySelectorAll("form[data-passkey]").forEach(begin);
    document.querySelectorAll("[data-passkey-none]").forEach((one) => { one.hidden = true; });
  }
})();
