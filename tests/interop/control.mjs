// The control API of the embedded server (design/interfaces.md section 2).
import { readFileSync } from "node:fs";

const LIMIT_MS = 60_000;

/** What `mynah serve` wrote when it was up. */
export const ready = JSON.parse(readFileSync(process.env.MYNAH_READY, "utf8"));

async function call(method, path, body) {
  const answer = await fetch(ready.control + path, {
    method,
    headers: body ? { "content-type": "application/json" } : {},
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  if (!answer.ok) {
    throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  }
  return answer;
}

/** Sends JSON, gives JSON. */
export async function post(path, body) {
  const text = await (await call("POST", path, body)).text();
  return text ? JSON.parse(text) : {};
}

/** Gives JSON. */
export const get = async (path) => (await call("GET", path)).json();

/** What a user hears from now on, as the untouched Opus packets in Ogg, with the statistics. */
export async function hear(user_id, seconds, from) {
  const query = new URLSearchParams({ user_id, seconds, format: "ogg" });
  if (from) query.set("from", from);
  const answer = await call("GET", `/voice/hear?${query}`);
  return {
    ogg: Buffer.from(await answer.arrayBuffer()),
    stats: JSON.parse(answer.headers.get("x-voice-stats")),
  };
}

/** Asks again until the answer pleases or the time is over; gives the last answer. */
export async function until(ask, pleases, limit_ms) {
  const end = Date.now() + limit_ms;
  for (;;) {
    const answer = await ask();
    if (pleases(answer) || Date.now() > end) return answer;
    await new Promise((done) => setTimeout(done, 50));
  }
}
