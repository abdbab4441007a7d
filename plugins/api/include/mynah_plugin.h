/* mynah_plugin.h: the frozen plugin table of Mynah, version 1.
 *
 * A plugin exports one data symbol, `mynah_entry_v1__<crate>` (for a C plugin: <crate> is the file
 * name without "lib" and ".so"), of type mynah_entry. Nothing else crosses the line.
 *
 * Thread tags   [load]    any thread, one at a time
 *               [control] the plugin's own control thread: serial, never re-entered
 *               [audio]   the plugin's audio threads: serial per source or sink
 *               [any]     any thread, never blocks
 * Memory        Slices are borrowed for the call. What one side allocated, that side frees.
 * Growth        Every struct starts with `size`; new fields come at the end; read a field only if
 *               `size` covers it. A changed meaning is a new extension id.
 * Unwinding     Nothing may unwind across any of these functions.
 * Text          UTF-8. The control plane is JSON.
 *
 * The Rust twin is src/abi.rs; sizes and offsets are pinned in abi.golden.
 */
#ifndef MYNAH_PLUGIN_H
#define MYNAH_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MYNAH_MAGIC 0x31504242u            /* "BBP1" */
#define MYNAH_MAJOR 1
#define MYNAH_MINOR 3                      /* 1: the ops and arguments marked so below
                                              2: mynah.audio/1 is offered */
#define MYNAH_FRAMES 960u                  /* 20 ms at 48 kHz */
#define MYNAH_UNWINDS 1u                   /* entry.flags: a panic inside is caught inside. C: set it. */
#define MYNAH_KEEPS_TRACKS 2u              /* entry.flags: it knows its tracks from its saved state, so that
                                              they play on during a reload; those of others are stopped */

typedef struct { const char    *ptr; size_t len; } mynah_str;    /* no NUL needed */
typedef struct { const uint8_t *ptr; size_t len; } mynah_bytes;

typedef int32_t mynah_status;              /* 0 ok; above 0: call-specific; below 0: */
enum {
  MYNAH_OK            =  0,
  MYNAH_E_DENIED      = -1,                /* not granted by the operator */
  MYNAH_E_BUSY        = -2,                /* too much at once */
  MYNAH_E_INVALID     = -3,                /* the arguments make no sense */
  MYNAH_E_CLOSED      = -4,                /* gone, or stopping */
  MYNAH_E_PANIC       = -5,                /* the callee panicked; its instance is dead */
  MYNAH_E_UNSUPPORTED = -6,                /* not known or not offered here */
  MYNAH_E_FAILED      = -7                 /* tried, did not work */
};

/* How a callee returns something of variable size: it calls this with parts, in order. */
typedef void (*mynah_put)(void *sink, mynah_bytes part);

typedef struct mynah_need {
  mynah_str cap;                           /* "voice.speak", "fs.read:media", ... */
  mynah_str why;                           /* in words, for the operator */
  uint32_t required;
} mynah_need;

typedef struct mynah_desc {                /* static, read-only */
  uint32_t size;
  mynah_str id, name, version, about;      /* id: kebab-case, equals [plugins.<id>] */
  uint64_t intents;                        /* gateway intents; the bot asks for the union */
  const mynah_str  *events; uint32_t n_events;   /* gateway event names it wants */
  const mynah_need *needs;  uint32_t n_needs;    /* capabilities */
  mynah_str config_schema;                 /* JSON Schema text, may be empty */
} mynah_desc;

enum { MYNAH_LOG_ERROR = 1, MYNAH_LOG_WARN, MYNAH_LOG_INFO, MYNAH_LOG_DEBUG, MYNAH_LOG_TRACE };

typedef struct mynah_host mynah_host;
struct mynah_host {                        /* outlives the instance; no function is NULL */
  uint32_t size; uint16_t major, minor;
  void *self;
  void        (*log)(const mynah_host *, uint32_t level, mynah_str target, mynah_str text); /* [any] */
  void        (*wake)(const mynah_host *, uint64_t task);           /* [any] -> run(task) on [control] */
  uint64_t    (*now_us)(const mynah_host *);                        /* [any] virtual in tests */
  const void *(*extension)(const mynah_host *, mynah_str id);       /* [control] NULL: unknown or not granted */
};

enum { MYNAH_EVENT_DISCORD = 0,            /* a gateway dispatch, Discord's own JSON */
       MYNAH_EVENT_MYNAH   = 1 };          /* "mynah.track", "mynah.voice", "mynah.lost" */

typedef struct mynah_event {
  uint32_t size, kind;
  mynah_str name;
  mynah_bytes json;
  uint64_t session;                        /* guild, or 0 */
  uint64_t at_us;
  uint32_t tier;                           /* minor 3; of an interaction: MYNAH_TIER_..., what its person may do */
} mynah_event;

enum { MYNAH_TIER_UNKNOWN = 0,             /* no interaction, or the host does not say */
       MYNAH_TIER_MEMBER = 1, MYNAH_TIER_OPEN = 2, /* others decide; nobody is named DJ: everybody does */
       MYNAH_TIER_DJ = 3, MYNAH_TIER_MANAGER = 4, MYNAH_TIER_ADMIN = 5, MYNAH_TIER_OWNER = 6 };

enum { MYNAH_WHY_SHUTDOWN = 0, MYNAH_WHY_RELOAD = 1, MYNAH_WHY_DISABLED = 2 };

typedef struct mynah_instance {            /* owned by the plugin; every function [control] */
  uint32_t size;
  void *self;
  mynah_status (*start)(void *self, mynah_bytes config, mynah_bytes saved, mynah_put err, void *err_sink);
  void         (*event)(void *self, const mynah_event *);
  void         (*run)(void *self, uint64_t task);          /* poll one woken task */
  void         (*done)(void *self, uint64_t op, mynah_status, mynah_bytes body); /* <0: {"message": ...} */
  mynah_status (*save)(void *self, mynah_put out, void *sink);
  void         (*stop)(void *self, uint32_t why);          /* last chance; its sinks and sources are closed */
  void         (*destroy)(void *self);                     /* very last call */
  const void  *(*extension)(void *self, mynah_str id);
} mynah_instance;

/* ---- extension "mynah.settings/1" (instance), minor 3: new settings without a new start ---------- */
typedef struct mynah_settings {
  uint32_t size;
  mynah_status (*set)(void *self, mynah_bytes config, mynah_put err, void *err_sink); /* [control] config has passed
                                              check(); MYNAH_E_UNSUPPORTED: start me anew; <0: nothing changed */
} mynah_settings;

typedef struct mynah_entry {               /* the one exported symbol */
  uint32_t magic; uint16_t major, minor; uint32_t size, flags;
  mynah_str sdk;                           /* sdk + compiler, for bug reports, never compared */
  const mynah_desc *desc;
  mynah_status    (*check)(mynah_bytes config, mynah_put diag, void *sink); /* [load] pure; a JSON array of
                                              {"pointer","message","suggestion"}; MYNAH_E_INVALID if not empty */
  mynah_instance *(*create)(const mynah_host *);                            /* [control] may only log */
} mynah_entry;

/* ---- extension "mynah.ops/1" (host): every async request is one of these ---------------------- */
/* Arguments and results are JSON. Arguments that are left out have the default; ops and arguments are
 * only ever added, and a host whose minor is less does not know them. Ids of Discord are texts.
 *
 *   rest            method, path, body?, files?: [{name, content_type, base64}]     Discord's answer
 *   timer           ms
 *   fs.list         dir                                                   {files, truncated}
 *   media.probe     path | url                                            {title, duration_ms, ...}
 *   media.ingest    path | url, dir, max_ms, max_bytes, name?, start_ms = 0, end_ms?, lufs = -16,
 *                   ceiling_dbtp = -1     minor 2; keeps a short sound as dir/<sha256>.opus:
 *                               {path, sha256, bytes, frames, lufs, true_peak_db, is_cut, is_damaged}
 *   http.request    url, method = "GET" | "POST", headers: {name: value}, base64 = "" (the body),
 *                   max_bytes = 1048576, timeout_ms = 30000     minor 3; any status is an answer, a redirect
 *                                                    too:             {status, headers, base64}
 *   metrics.add     name, labels: {name: text}, value >= 0, whole      minor 3; numbers for the operator: a
 *   metrics.set     name, labels: {name: text}, value                  counter, a gauge, or many of a kind;
 *   metrics.record  name, labels: {name: text}, value                  up to 64, labels counted apart
 *   voice.join      guild_id, channel_id
 *   voice.leave     guild_id
 *   voice.state     guild_id, user_id                                     {channel_id, bot_channel_id}
 *   voice.play      guild_id, path | url, gain = 1, start_ms = 0, paused = false             {track}
 *       minor 1:    lane = "bed" | "speech" | "fx" | "notice", fade_in?: FADE, repeat = false,
 *                   filters?: FILTERS
 *   track.next      track, path | url, start_ms = 0     minor 1; follows the track without a gap: {track}
 *   track.cancel    track                               minor 1; takes a track.next back
 *   track.pause     track
 *   track.resume    track
 *   track.stop      track; minor 1: fade?: FADE
 *   track.gain      track, gain
 *   track.fade      track, gain, fade: FADE             minor 1
 *   track.repeat    track, repeat                       minor 1
 *   track.filters   track, filters: FILTERS             minor 1
 *   track.position  track                                                 {position_ms}
 *
 *   FADE            {"ms": 0..60000, "curve": "linear" | "equal_power" | "decibel"}
 *   FILTERS         {"volume", "equalizer": [15 gains], "karaoke": {...}, "timescale": {"speed", "pitch",
 *                   "rate"}, "tremolo": {...}, "rotation": {...}, "channel_mix": {...}, "low_pass": {...}}
 */
typedef struct mynah_ops {
  uint32_t size;
  uint64_t (*submit)(const mynah_host *, mynah_str kind, mynah_bytes args); /* [control] 0: too many under way */
  void     (*cancel)(const mynah_host *, uint64_t op);                      /* [control] no done() afterwards */
} mynah_ops;

/* ---- extension "mynah.commands/1" (host): slash commands; NULL unless "commands" is granted ---- */
typedef struct mynah_commands {
  uint32_t size;
  mynah_status (*set)(const mynah_host *, mynah_bytes json, mynah_put err, void *err_sink); /* [control] replaces all */
} mynah_commands;

/* ---- extension "mynah.life/1" (host): event, run and done have no result to report a panic with - */
typedef struct mynah_life {
  uint32_t size;
  void (*failed)(const mynah_host *, mynah_str why);       /* [control] dead: destroy me, start another */
} mynah_life;

/* ---- extension "mynah.image/1" (host): an address to compare, never to read --------------------- */

/* ---- extension "mynah.audio/1" ------------------------------------------------------------------ */
enum { MYNAH_STEREO_INTERLEAVED = 0, MYNAH_STEREO_PLANAR = 1, MYNAH_OPUS = 2 };
enum { MYNAH_SILENT = 1, MYNAH_GAP = 2, MYNAH_LAST = 4,      /* mynah_block.flags */
       MYNAH_SPEECH = 8, MYNAH_CONCEALS = 16,               /* mynah_voice.flags: somebody speaks; partly made up */
       MYNAH_UNOPENED = 32 };                               /* mynah_packet.flags: not decrypted, opus is empty */
enum { MYNAH_LANE_NONE = 0, MYNAH_LANE_BED = 1, MYNAH_LANE_SPEECH = 2, MYNAH_LANE_FX = 3, MYNAH_LANE_NOTICE = 4 };

typedef struct mynah_block {               /* memory belongs to the host's ring: fill it in place */
  uint32_t size, layout;
  float   *pcm;                            /* 1920 f32, nominal +-1.0, 64-byte aligned */
  uint8_t *opus; uint32_t opus_cap, opus_len;
  uint64_t frame;                          /* stream position, in 1/48000 s */
  uint32_t flags;
} mynah_block;

typedef struct mynah_source {              /* plugin -> host, pull */
  uint32_t size; void *self;
  mynah_status (*pull)(void *self, mynah_block *);         /* [audio] >0 more, 0 end, <0 error */
  mynah_status (*seek)(void *self, uint64_t frame);        /* [audio] */
  void         (*close)(void *self);                       /* [audio] last call */
} mynah_source;

typedef struct mynah_voice {               /* 20 ms of one speaker, decoded; an array element */
  uint64_t user; uint32_t ssrc, flags;
  const float *pcm;                        /* 1920 f32, or NULL: not asked for */
  float level_dbfs;                        /* at least -100 */
  uint32_t lost;                           /* packets that never came, since listening began */
  uint64_t position;                       /* in the speaker's own sound, in 1/48000 s */
} mynah_voice;

typedef struct mynah_packet {              /* one Opus packet as it came; an array element */
  uint64_t user;                           /* 0: not known yet, or the bot's own */
  uint32_t ssrc, timestamp;                /* RTP's */
  uint64_t arrival_us;                     /* clock of mynah_host.now_us */
  mynah_bytes opus;
  uint16_t sequence, lane;                 /* RTP's; LANE_NONE: a person's */
  uint32_t flags;
} mynah_packet;

typedef struct mynah_heard {               /* one guild, 20 ms. Array elements are `stride` bytes apart:
                                              they grow by it, step by it. */
  uint32_t size, lost_before;              /* ticks dropped right before this one: the sink was too slow */
  uint64_t session, tick;                  /* guild; up by one every 20 ms, dropped ones included */
  uint64_t at_us;                          /* end of the 20 ms on the clock of mynah_host.now_us */
  const mynah_voice  *voices;  uint32_t n_voices, voice_stride;
  const mynah_packet *packets; uint32_t n_packets, packet_stride;
  const float *mix;                        /* everybody together: 1920 f32, or NULL: not asked for */
} mynah_heard;

typedef struct mynah_sink {                /* host -> plugin */
  uint32_t size; void *self;
  mynah_status (*heard)(void *self, const mynah_heard *);  /* [audio] <0: no more; MYNAH_E_PANIC: the instance is dead */
  void         (*close)(void *self);                       /* [audio] last call */
} mynah_sink;

/* Offered as of minor 2. What is not granted or not offered is refused with a status below 0 and words
 * to `err`; the source or sink is then still the caller's.
 *   play    options: those of voice.play but start_ms and repeat; needs the capability of its lane. The
 *           source is pulled until its end, an error, or until its track is stopped; seek is never called
 *           minor 3: {"takes_over": track}, in start after a reload of a plugin that keeps its tracks: goes on
 *           with that track, whose source was the instance's before; frames count on
 *   listen  options: {"packets", "pcm", "mix", "lanes"}, each true or false; packets and lanes need the
 *           capability voice.opus, pcm and mix need voice.listen
 */
typedef struct mynah_audio {               /* host side */
  uint32_t size;
  mynah_status (*play)(const mynah_host *, uint64_t session, const mynah_source *, mynah_bytes options,
                       uint64_t *track, mynah_put err, void *err_sink);                   /* [control] */
  mynah_status (*listen)(const mynah_host *, uint64_t session, const mynah_sink *, mynah_bytes options,
                         uint64_t *id, mynah_put err, void *err_sink);                    /* [control] */
  mynah_status (*close)(const mynah_host *, uint64_t id);           /* [control] ends a listening, soon */
  /* push style, one producer thread per feed, [any]: MYNAH_E_UNSUPPORTED so far */
  mynah_status (*acquire)(const mynah_host *, uint64_t feed, mynah_block *);
  mynah_status (*commit)(const mynah_host *, uint64_t feed, const mynah_block *);
} mynah_audio;

#ifdef __cplusplus
}
#endif
#endif
