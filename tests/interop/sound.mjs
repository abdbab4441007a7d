// Just enough about sound: a WAV file to speak, and the packets inside an Ogg file (RFC 3533).

/** 48 kHz stereo PCM whose 20 ms frames all differ: a rising tone with noise on top. */
export function risingTone(seconds) {
  const frames = Math.round(48_000 * seconds);
  const pcm = Buffer.alloc(frames * 4);
  let phase = 0;
  let noise = 1;
  for (let i = 0; i < frames; i += 1) {
    phase += (2 * Math.PI * (200 + (1_800 * i) / frames)) / 48_000;
    noise = (Math.imul(noise, 1_664_525) + 1_013_904_223) | 0;
    const sample = Math.round(8_000 * Math.sin(phase) + noise / 2 ** 22);
    pcm.writeInt16LE(sample, i * 4);
    pcm.writeInt16LE(-sample, i * 4 + 2);
  }
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + pcm.length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20); // PCM
  head.writeUInt16LE(2, 22); // channels
  head.writeUInt32LE(48_000, 24);
  head.writeUInt32LE(48_000 * 4, 28);
  head.writeUInt16LE(4, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(pcm.length, 40);
  return Buffer.concat([head, pcm]);
}

/** The Opus packets of an Ogg Opus file as hex, without the two header packets. */
export function opusPackets(ogg) {
  const packets = [];
  let open = [];
  for (let at = 0; at < ogg.length; ) {
    if (ogg.toString("latin1", at, at + 4) !== "OggS") throw new Error(`no Ogg page at ${at}`);
    const segments = ogg[at + 26];
    let body = at + 27 + segments;
    for (let i = 0; i < segments; i += 1) {
      const length = ogg[at + 27 + i];
      open.push(ogg.subarray(body, body + length));
      body += length;
      if (length < 255) {
        packets.push(Buffer.concat(open).toString("hex"));
        open = [];
      }
    }
    at = body;
  }
  return packets.slice(2);
}

/** Drops the frames that mean silence (`F8 FF FE`): players add them, and so does the recording. */
export const sounding = (packets) => packets.filter((packet) => packet && packet !== "f8fffe");
