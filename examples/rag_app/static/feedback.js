// Says what a reader thinks of an answer: POST /v1/feedback, by a capability that is good once.

const TRIES = 4;
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

// Posts a vote; empty, or why it was not taken.
export async function vote(url, answer, name, explanation) {
  const body = { name, trace_id: answer.trace_id, id: randomId() };
  if (explanation) body.explanation = explanation;
  for (let tries = 1; ; tries += 1) {
    let response;
    try {
      const token = answer.capability || await anotherCapability(answer);
      response = await fetch(url, {
        method: "POST", body: JSON.stringify(body), credentials: "omit",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` } });
    } catch {
      response = null; // nobody answered
    }
    if (response?.ok) {
      answer.capability = ""; // it is used up
      return "";
    }
    const later = !response || response.status === 429 || response.status === 503;
    if (tries === TRIES || !(later || response.status === 403))
      return "Your vote could not be sent.";
    if (later) await pause(Number(response?.headers.get("Retry-After")) || 1);
    else answer.capability = ""; // it is too old: another one, and the same id
  }
}

async function anotherCapability({ trace_id, conversation }) {
  const response = await fetch("api/capabilities", {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ trace_id, conversation }) });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return (await response.json()).capability;
}

// Of 128 bits. crypto.randomUUID is there over HTTPS and on loopback alone.
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)),
    (byte) => byte.toString(16).padStart(2, "0")).join("");
}
