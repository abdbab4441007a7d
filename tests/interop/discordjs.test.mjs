// discord.js 14 and @discordjs/voice, with only the settings of protocol/interop.md section 1.
import assert from "node:assert/strict";
import { createReadStream, writeFileSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import test from "node:test";
import {
  AudioPlayerStatus,
  EndBehaviorType,
  StreamType,
  VoiceConnectionStatus,
  createAudioPlayer,
  createAudioResource,
  entersState,
  joinVoiceChannel,
} from "@discordjs/voice";
import { Client, Events, GatewayIntentBits } from "discord.js";
import { get, hear, post, ready } from "./control.mjs";
import { opusPackets, risingTone, sounding } from "./sound.mjs";

const LIMIT_MS = 20_000;
const SONG_SECONDS = 4;
const songPath = join(process.env.MYNAH_WORK, "song.ogg");

/** A user in a new voice channel of its own. */
async function userIn(channel_id, name) {
  const { user_id } = await post("/users", { name });
  await post("/voice/join", { user_id, channel_id });
  return user_id;
}

/** A voice channel without end-to-end encryption. */
async function voiceChannel(name) {
  const made = await post("/channels", {
    guild_id: ready.guild_id,
    name,
    kind: "voice",
    dave: "off",
  });
  return made.channel_id;
}

/** Somebody speaks, somebody else records it: an Ogg Opus file nobody here encoded by hand. */
async function makeSong() {
  const channel = await voiceChannel("studio");
  const singer = await userIn(channel, "singer");
  const microphone = await userIn(channel, "microphone");
  const wav = join(process.env.MYNAH_WORK, "song.wav");
  writeFileSync(wav, risingTone(SONG_SECONDS));
  const recording = hear(microphone, SONG_SECONDS + 2, singer);
  await post("/voice/say", { user_id: singer, path: wav, wait: true });
  const { ogg } = await recording;
  const packets = sounding(opusPackets(ogg));
  assert.ok(packets.length >= SONG_SECONDS * 50 - 2, `only ${packets.length} packets`);
  assert.ok(new Set(packets).size > packets.length * 0.9, "the frames of the song must differ");
  writeFileSync(songPath, ogg);
  await post("/voice/leave", { user_id: singer });
  await post("/voice/leave", { user_id: microphone });
  return packets;
}

/** A music bot as its users write it: /play joins the caller's channel and plays the song. */
function startBot(token) {
  const client = new Client({
    intents: [
      GatewayIntentBits.Guilds,
      GatewayIntentBits.GuildVoiceStates,
      GatewayIntentBits.GuildMessages,
    ],
    rest: { api: ready.api, cdn: new URL(ready.api).origin, version: "10" },
  });
  const bot = { client, connection: undefined, player: createAudioPlayer(), errors: [] };
  const note = (error) => bot.errors.push(error);
  client.on(Events.Error, note);
  client.on(Events.ShardError, note);
  bot.player.on("error", note);
  client.on(Events.InteractionCreate, async (interaction) => {
    if (!interaction.isChatInputCommand() || interaction.commandName !== "play") return;
    try {
      await interaction.deferReply();
      const channel = interaction.member.voice.channel;
      bot.connection = joinVoiceChannel({
        channelId: channel.id,
        guildId: channel.guild.id,
        adapterCreator: channel.guild.voiceAdapterCreator,
        selfDeaf: false,
        daveEncryption: false,
      });
      bot.connection.on("error", note);
      await entersState(bot.connection, VoiceConnectionStatus.Ready, LIMIT_MS);
      const song = createAudioResource(createReadStream(songPath), {
        inputType: StreamType.OggOpus,
      });
      bot.connection.subscribe(bot.player);
      bot.player.play(song);
      await interaction.editReply(`Playing in ${channel.name}`);
    } catch (error) {
      note(error);
      await interaction.editReply(`Failed: ${error.message}`);
    }
  });
  return client.login(token).then(() => bot);
}

test("a discord.js music bot works on the embedded server", async (t) => {
  const song = await makeSong();
  const { token, user_id: botId } = await post("/bots", { name: "discordjs" });
  const channel = await voiceChannel("lounge");
  const alice = await userIn(channel, "alice");
  const bob = await userIn(channel, "bob");
  let bot;

  try {
    await t.test("it logs in and sees the guild with its voice states", async () => {
      bot = await startBot(token);
      if (!bot.client.isReady()) await once(bot.client, Events.ClientReady);
      assert.equal(bot.client.user.id, botId);
      const guild = bot.client.guilds.cache.get(ready.guild_id);
      assert.ok(guild, "the guild is there");
      assert.equal(guild.voiceStates.cache.get(alice)?.channelId, channel);
    });

    await t.test("it registers a slash command", async () => {
      const commands = [{ name: "play", description: "Plays the song" }];
      const made = await bot.client.application.commands.set(commands);
      assert.deepEqual(made.map((command) => command.name), ["play"]);
    });

    await t.test("/play is answered, and a listener hears the Ogg Opus file intact", async () => {
      const listening = hear(bob, SONG_SECONDS + 6, botId);
      const answer = await post("/commands", {
        user_id: alice,
        channel_id: ready.text_channel_id,
        command: "play",
        options: {},
        bot_user_id: botId,
      });
      assert.match(JSON.stringify(answer), /Playing in lounge/);
      const { ogg, stats } = await listening;
      assert.equal(stats.lost, 0);
      assert.deepEqual(sounding(opusPackets(ogg)), song, "every packet, in order, unchanged");
      assert.equal(bot.player.state.status, AudioPlayerStatus.Idle, "the song has ended");
    });

    await t.test("it hears what a user says", async () => {
      const stream = bot.connection.receiver.subscribe(alice, {
        end: { behavior: EndBehaviorType.AfterSilence, duration: 500 },
      });
      const packets = [];
      stream.on("data", (packet) => packets.push(packet.toString("hex")));
      const wav = join(process.env.MYNAH_WORK, "song.wav");
      await post("/voice/say", { user_id: alice, path: wav, wait: true });
      if (!stream.readableEnded) await once(stream, "end");
      const heard = sounding(packets).length;
      assert.ok(heard >= SONG_SECONDS * 50 - 2, `only ${heard} packets`);
    });

    await t.test("its voice socket is closed with 4015 and it resumes", async () => {
      const ssrc = await ssrcOf(botId);
      const lost = once(bot.connection, VoiceConnectionStatus.Connecting);
      await post("/faults", { scope: { user_id: botId }, voice: { close: 4015 } });
      await lost;
      await entersState(bot.connection, VoiceConnectionStatus.Ready, LIMIT_MS);
      assert.equal(await ssrcOf(botId), ssrc, "a resume keeps the stream");
    });

    await t.test("it leaves", async () => {
      bot.connection.destroy();
      const states = () => bot.client.guilds.cache.get(ready.guild_id).voiceStates.cache;
      while (states().get(botId)?.channelId) await once(bot.client, Events.VoiceStateUpdate);
      assert.equal(await ssrcOf(botId), undefined);
    });

    assert.deepEqual(bot.errors, []);
  } finally {
    await bot?.client.destroy();
  }
});

/** The stream of a user's voice session, found wherever the state lists sessions. */
async function ssrcOf(user_id) {
  const sessions = (value) => {
    if (value === null || typeof value !== "object") return [];
    if (value.ssrc !== undefined) return [value];
    return Object.values(value).flatMap(sessions);
  };
  return sessions(await get("/state")).find((session) => session.user_id === user_id)?.ssrc;
}
