// Opens tracks in a real browser. By hand, since a browser is large:
//
//   apt-get install chromium; npm install --no-save playwright-core     (in this folder)
//   node browser.mjs FILE.opus ...
//
// Each file is loaded into an <audio> element until it can play through, sought to its middle and played on
// from there, and decoded whole by the Web Audio API. What both say about its length has to agree.
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { chromium } from "playwright-core";

const files = process.argv.slice(2);
if (files.length === 0) {
  console.error("node browser.mjs FILE.opus ...");
  process.exit(2);
}

const server = createServer((asked, answer) => {
  const file = files[Number(new URL(asked.url, "http://x").pathname.slice(1))];
  if (file === undefined) {
    answer.setHeader("content-type", "text/html");
    return answer.end("<!doctype html><title>tracks</title>");
  }
  // Seeking asks for ranges.
  const { size } = statSync(file);
  const range = /bytes=(\d+)-(\d*)/.exec(asked.headers.range ?? "");
  const from = range ? Number(range[1]) : 0;
  const to = range && range[2] ? Number(range[2]) : size - 1;
  answer.writeHead(range ? 206 : 200, {
    "content-type": "audio/ogg",
    "accept-ranges": "bytes",
    "content-length": to - from + 1,
    ...(range && { "content-range": `bytes ${from}-${to}/${size}` }),
  });
  createReadStream(file, { start: from, end: to }).pipe(answer);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const base = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage();
await page.goto(base);
let bad = 0;
for (const [number, file] of files.entries()) {
  const found = await page.evaluate(async (url) => {
    const audio = new Audio(url);
    const happens = (name) => new Promise((done, failed) => {
      audio.addEventListener(name, done, { once: true });
      audio.addEventListener("error", () => failed(new Error(audio.error.message)), { once: true });
    });
    try {
      audio.load();
      await happens("canplaythrough");
      const shown = audio.duration;
      audio.muted = true;
      audio.currentTime = shown / 2;
      await happens("seeked");
      await audio.play();
      await happens("timeupdate");
      audio.pause();
      const bytes = await (await fetch(url)).arrayBuffer();
      const decoded = await new OfflineAudioContext(2, 1, 48000).decodeAudioData(bytes);
      return { shown, decoded: decoded.duration };
    } catch (error) {
      return { error: String(error) };
    }
  }, `${base}/${number}`);
  const right = !found.error && Math.abs(found.shown - found.decoded) < 0.05;
  bad += right ? 0 : 1;
  if (!right) console.log(file, found);
}
await browser.close();
server.close();
console.log(`${files.length} files, ${bad} bad`);
process.exit(bad === 0 ? 0 : 1);
