// The sign-up form: it has altcha's widget solve a challenge for the typed address when it is sent.
const widget = document.querySelector("altcha-widget");
const form = widget.closest("form");
const status = document.getElementById("challenge-status");
const { challenge, worker, checking } = widget.dataset;

$altcha.algorithms.set("PBKDF2/SHA-256", () => new Worker(worker));

const ask = () => fetch(challenge, {
  method: "POST",
  credentials: "omit",
  headers: { "Content-Type": "application/json", Accept: "application/json" },
  body: JSON.stringify({ email: form.elements.email.value }),
});

widget.configure({
  challenge,
  fetch: ask,
  auto: "onsubmit",
  display: "invisible",
  humanInteractionSignature: false,
  minDuration: 0,
  workers: Math.min(4, navigator.hardwareConcurrency || 1),
});

document.addEventListener("submit", (event) => {
  const { value, validity } = form.elements.email;
  // A second press while the first is at work would send the form without its solution.
  if (widget.getState() === "verifying") event.preventDefault();
  // The widget need not see what it has no work for: the answer to the form says what is wrong.
  else if (value && validity.valid) return;
  event.stopPropagation();
}, true);

widget.addEventListener("statechange", ({ detail }) => {
  status.textContent = detail.state === "verifying" ? checking : "";
  // Without a challenge, such as for an address that is wrong, the answer to the form says why.
  if (detail.state === "error") form.requestSubmit();
});
