// discord.js 14, @discordjs/voice and @snazzah/davey in one encrypted room with the bot of
// `mynah run` and with simulated users. Nothing about encryption is configured here.
import assert from "node:assert/strict";
import { createReadStream, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import test from "node:test";
import {
  StreamType,
  VoiceConnectionStatus,
  createAudioPlayer,
  createAudioResource,
  entersState,
  joinVoiceChannel,
} from "@discordjs/voice";
import { Client, Events, GatewayIntentBits } from "discord.js";
import { get, hear, post, ready, until } from "./control.mjs";
import { opusPackets, risingTone, sounding } from "./sound.mjs";

const LIMIT_MS = 20_000;
const SONG_SECONDS = 12;
const wavPath = join(process.env.MYNAH_WORK, "dave.wav");
const songPath = join(process.env.MYNAH_WORK, "dave.ogg");
const mynahId = ready.bots[0].user_id;

async function userIn(channel_id, name) {
  const { user_id } = await post("/users", { name });
  await post("/voice/join", { user_id, channel_id });
  return user_id;
}

async function voiceChannel(name, dave) {
  const { channel_id } = await post("/channels", {
    guild_id: ready.guild_id,
    name,
    kind: "voice",
    dave,
  });
  return channel_id;
}

/** Somebody speaks, somebody else records it: under encryption, here too. */
async function makeSong() {
  const channel = await voiceChannel("studio", "required");
  const singer = await userIn(channel, "singer");
  const microphone = await userIn(channel, "microphone");
  writeFileSync(wavPath, risingTone(SONG_SECONDS));
  const recording = hear(microphone, SONG_SECONDS + 2, singer);
  await post("/voice/say", { user_id: singer, path: wavPath, wait: true });
  const { ogg } = await recording;
  const packets = sounding(opusPackets(ogg));
  assert.ok(packets.length >= SONG_SECONDS * 50 - 2, `only ${packets.length} packets`);
  writeFileSync(songPath, ogg);
  await post("/voice/leave", { user_id: singer });
  await post("/voice/leave", { user_id: microphone });
  return packets;
}

function enter(guild, channelId, extra = {}) {
  return joinVoiceChannel({
    channelId,
    guildId: guild.id,
    adapterCreator: guild.voiceAdapterCreator,
    selfDeaf: false,
    ...extra,
  });
}

/** Somebody who may record says something to our bot. */
async function record(user_id, command, options = {}) {
  const answer = await post("/commands", {
    user_id,
    channel_id: ready.text_channel_id,
    command: `record ${command}`,
    options,
    bot_user_id: mynahId,
  });
  return JSON.stringify(answer);
}

/** The packets of sound on somebody's track of the only recording, and what is said of the track. */
function recorded(user_id) {
  const server = join(process.env.MYNAH_WORK, "data", "recordings", ready.guild_id);
  const folder = join(server, readdirSync(server)[0]);
  const { tracks } = JSON.parse(readFileSync(join(folder, "recording.json")));
  const entry = tracks.find((track) => track.user === user_id);
  // Silence that leads to the start of a talkspurt is 10, 5 or 2.5 ms long, too.
  const isShortSilence = (packet) => ["f0fffe", "e8fffe", "e0fffe"].includes(packet);
  const packets = sounding(opusPackets(readFileSync(join(folder, entry.file))));
  return { entry, packets: packets.filter((packet) => !isShortSilence(packet)) };
}

/** What our bot says about its call. */
async function voiceStatus(user_id, options = {}) {
  const answer = await post("/commands", {
    user_id,
    channel_id: ready.text_channel_id,
    command: "voice status",
    options,
    bot_user_id: mynahId,
  });
  return JSON.stringify(answer);
}

/** The first `count` different packets of sound from a user. */
async function firstPackets(connection, user_id, count) {
  const stream = connection.receiver.subscribe(user_id);
  const heard = new Set();
  stream.on("data", (packet) => heard.add(packet.toString("hex")));
  await until(async () => heard.size, (size) => size > count, LIMIT_MS);
  stream.destroy();
  heard.delete("f8fffe");
  return heard.size;
}

/** Groups of digits, as people compare them, without the blanks. */
const digits = (text, length) => {
  const runs = text.match(/\d{5}(?:[ \u00a0-]?\d{5})+/g) ?? [];
  return runs.map((run) => run.replace(/\D/g, "")).filter((run) => run.length === length);
};

/** What a simulated user knows about its call. */
const sessionOf = async (user_id) =>
  (await get("/state")).voice_sessions.find((session) => session.user_id === user_id);

test("discord.js, Mynah and simulated users share an encrypted room", async (t) => {
  const song = await makeSong();
  const { token, user_id: botId } = await post("/bots", { name: "davejs" });
  const channel = await voiceChannel("vault", "required");
  const alice = await userIn(channel, "alice");
  const bob = await userIn(channel, "bob");
  const client = new Client({
    intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildVoiceStates],
    rest: { api: ready.api, cdn: new URL(ready.api).origin, version: "10" },
  });
  const errors = [];
  const note = (error) => errors.push(error);
  client.on(Events.Error, note);
  let connection;
  let guild;

  try {
    await t.test("our bot plays to the users", async () => {
      const listening = hear(bob, 3, mynahId);
      const answer = await post("/commands", {
        user_id: alice,
        channel_id: ready.text_channel_id,
        command: "play",
        options: {},
        attachments: { file: wavPath },
        bot_user_id: mynahId,
      });
      assert.match(JSON.stringify(answer), /Now playing/);
      const { ogg } = await listening;
      assert.ok(sounding(opusPackets(ogg)).length > 100);
    });

    await t.test("the discord.js bot joins the running group and hears ours", async () => {
      await client.login(token);
      if (!client.isReady()) await once(client, Events.ClientReady);
      guild = client.guilds.cache.get(ready.guild_id);
      connection = enter(guild, channel);
      connection.on("error", note);
      await entersState(connection, VoiceConnectionStatus.Ready, LIMIT_MS);
      assert.ok((await firstPackets(connection, mynahId, 100)) >= 100);
    });

    await t.test("its song is heard and recorded packet for packet while others come and go", async () => {
      const { guilds } = await get("/state");
      const owner = guilds.find((one) => one.id === ready.guild_id).owner_id;
      assert.match(await record(owner, "start", { channel }), /Recording/);
      const player = createAudioPlayer();
      player.on("error", note);
      connection.subscribe(player);
      const listening = hear(bob, SONG_SECONDS + 5, botId);
      player.play(
        createAudioResource(createReadStream(songPath), { inputType: StreamType.OggOpus }),
      );
      for (let round = 0; round < 5; round += 1) {
        const guests = await Promise.all(
          [0, 1, 2].map((seat) => userIn(channel, `guest ${round}-${seat}`)),
        );
        await Promise.all(guests.map((user_id) => post("/voice/leave", { user_id })));
      }
      const { ogg, stats } = await listening;
      assert.equal(stats.lost, 0, JSON.stringify(stats));
      assert.deepEqual(sounding(opusPackets(ogg)), song, "every packet, in order, unchanged");
      assert.match(await record(owner, "stop"), /Recorded/);
      const { packets, entry } = recorded(botId);
      const others = packets.filter((packet) => !song.includes(packet));
      // A machine that is too busy brings packets later than the recorder waits. They are counted,
      // and concealed by packets that are nothing but a TOC byte.
      assert.ok(others.every((packet) => packet.length === 2), JSON.stringify(others));
      const kept = song.filter((packet) => packets.includes(packet));
      assert.ok(song.length - kept.length <= entry.late, `${song.length - kept.length} are missing`);
      const heard = packets.filter((packet) => packet.length > 2);
      assert.ok(heard.join() === kept.join(), "in order, unchanged");
    });

    await t.test("it hears what a user says", async () => {
      const spoken = post("/voice/say", { user_id: alice, path: wavPath, wait: true });
      assert.ok((await firstPackets(connection, alice, 500)) >= 500);
      await spoken;
    });

    await t.test("the codes agree on all sides", async () => {
      const [theirs, ours, simulated] = await until(
        async () => [
          connection.voicePrivacyCode,
          digits(await voiceStatus(alice), 30)[0],
          (await sessionOf(bob)).privacy_code,
        ],
        ([a, b, c]) => a && a === b && b === c,
        LIMIT_MS,
      );
      assert.match(theirs, /^\d{30}$/);
      assert.deepEqual([ours, simulated], [theirs, theirs]);
      const status = await voiceStatus(alice, { member: botId });
      assert.equal(digits(status, 45)[0], await connection.getVerificationCode(mynahId));
    });

    await t.test("it is the last one to stay, and a new group forms with the next", async () => {
      await post("/commands", {
        user_id: alice,
        channel_id: ready.text_channel_id,
        command: "leave",
        options: {},
        bot_user_id: mynahId,
      });
      await post("/voice/leave", { user_id: alice });
      await post("/voice/leave", { user_id: bob });
      const carol = await userIn(channel, "carol");
      const player = createAudioPlayer();
      player.on("error", note);
      connection.subscribe(player);
      const listening = hear(carol, 6, botId);
      player.play(
        createAudioResource(createReadStream(songPath), { inputType: StreamType.OggOpus }),
      );
      const { ogg } = await listening;
      const heard = sounding(opusPackets(ogg));
      assert.ok(heard.length > 200, `only ${heard.length} packets`);
      const at = song.indexOf(heard[0]);
      assert.deepEqual(heard, song.slice(at, at + heard.length), "a stretch of the song");
      player.stop(true);
    });

    await t.test("without encryption it is refused with 4017", async () => {
      connection.destroy();
      const bare = enter(guild, channel, { daveEncryption: false });
      const codes = [];
      const watched = new Set();
      bare.on("stateChange", (_, { networking }) => {
        if (!networking || watched.has(networking)) return;
        watched.add(networking);
        networking.once("close", (code) => codes.push(code));
      });
      await until(async () => codes.length, (count) => count > 0, LIMIT_MS);
      bare.destroy();
      assert.equal(codes[0], 4017);
    });

    assert.deepEqual(errors, []);
  } finally {
    await client.destroy();
  }
});
