/* A plugin for Mynah in plain C: /hello-c answers and, where the bot is in a voice channel, plays a
 * second of a tone. Nothing but the header is needed:
 *
 *   gcc -std=c11 -pedantic -Wall -Wextra -Werror -O2 -fPIC -shared -fvisibility=hidden \
 *       -I ../../plugins/api/include hello_c.c -o libhello_c.so
 *
 *   [plugins.hello-c]                     # bot.toml
 *   path = "examples/c_plugin/libhello_c.so"
 *   grant = ["commands", "voice.speak"]
 */
#include "mynah_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#define EXPORT __attribute__((visibility("default")))
#else
#define EXPORT
#endif

/* A text that stands in the source, for tables (constant) and for calls. */
#define LITERAL(text) { (text), sizeof(text) - 1 }
static mynah_str str(const char *text) { return (mynah_str){ text, strlen(text) }; }
static mynah_bytes bytes(const char *text) {
  return (mynah_bytes){ (const uint8_t *)text, strlen(text) };
}

/* ---- one value of a JSON object ----------------------------------------------------------------- */

/* The text at `key` of the outermost object, copied without quotes, as it is written. Discord's ids and
 * tokens have no escapes. 0: there is none, or it does not fit. */
static int top_text(mynah_bytes json, const char *key, char *out, size_t room) {
  size_t depth = 0, i = 0, keylen = strlen(key);
  int matches = 0; /* the string before was the key, and nothing but ':' and spaces came since */
  while (i < json.len) {
    char c = (char)json.ptr[i];
    if (c == '"') {
      size_t begin = ++i;
      while (i < json.len && json.ptr[i] != '"') i += json.ptr[i] == '\\' ? 2 : 1;
      if (i >= json.len) return 0;
      size_t len = i - begin;
      if (matches == 2) {
        if (len >= room) return 0;
        memcpy(out, json.ptr + begin, len);
        out[len] = 0;
        return 1;
      }
      matches = depth == 1 && len == keylen && memcmp(json.ptr + begin, key, len) == 0;
    } else if (c == ':') {
      matches = matches == 1 ? 2 : 0;
    } else if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
      matches = 0;
      if (c == '{' || c == '[') depth++;
      if ((c == '}' || c == ']') && depth > 0) depth--;
    }
    i++;
  }
  return 0;
}

/* ---- a tone --------------------------------------------------------------------------------------- */

struct tone {
  float sine, cosine; /* where the oscillator stands: turned by one step for each frame */
  unsigned left;      /* blocks of 20 ms */
};

/* [audio] */
static mynah_status tone_pull(void *self, mynah_block *block) {
  /* 440 Hz: sine and cosine of 2 pi 440 / 48000 */
  const float s = 0.0575640f, c = 0.9983418f;
  struct tone *tone = self;
  if (block->layout != MYNAH_STEREO_INTERLEAVED || block->pcm == NULL) return MYNAH_E_UNSUPPORTED;
  if (tone->left == 0) return 0;
  tone->left--;
  for (uint32_t frame = 0; frame < MYNAH_FRAMES; frame++) {
    float sine = tone->sine * c + tone->cosine * s;
    tone->cosine = tone->cosine * c - tone->sine * s;
    tone->sine = sine;
    block->pcm[2 * frame] = block->pcm[2 * frame + 1] = 0.2f * sine;
  }
  return 1;
}

static mynah_status tone_seek(void *self, uint64_t frame) {
  (void)self, (void)frame;
  return MYNAH_E_UNSUPPORTED;
}

static void tone_close(void *self) { free(self); }

/* ---- the plugin ----------------------------------------------------------------------------------- */

struct hello {
  mynah_instance table;
  const mynah_host *host;
  const mynah_ops *ops;
  uint64_t greeted; /* kept from run to run */
};

static void say(const struct hello *me, uint32_t level, const char *text) {
  me->host->log(me->host, level, str("hello-c"), str(text));
}

/* Words of the host, as many as there is room for. */
struct words { char text[200]; size_t len; };
static void put_words(void *sink, mynah_bytes part) {
  struct words *words = sink;
  size_t room = sizeof words->text - 1 - words->len;
  size_t len = part.len < room ? part.len : room;
  if (len > 0) memcpy(words->text + words->len, part.ptr, len);
  words->len += len;
  words->text[words->len] = 0;
}

static mynah_status start(void *self, mynah_bytes config, mynah_bytes saved, mynah_put err, void *sink) {
  struct hello *me = self;
  (void)config;
  if (saved.len == sizeof me->greeted) memcpy(&me->greeted, saved.ptr, sizeof me->greeted);
  me->ops = me->host->extension(me->host, str("mynah.ops/1"));
  const mynah_commands *commands = me->host->extension(me->host, str("mynah.commands/1"));
  if (me->ops == NULL || commands == NULL) {
    err(sink, bytes("`commands` is not granted"));
    return MYNAH_E_DENIED;
  }
  return commands->set(me->host,
      bytes("[{\"type\":1,\"name\":\"hello-c\",\"description\":\"Says hello, in C, with a tone\"}]"),
      err, sink);
}

/* Plays a second of the tone; what came of it, in words. */
static const char *play(struct hello *me, const char *guild) {
  const mynah_audio *audio = me->host->extension(me->host, str("mynah.audio/1"));
  struct tone *tone = audio == NULL ? NULL : malloc(sizeof *tone);
  if (tone == NULL) return "no tone";
  *tone = (struct tone){ .sine = 0.0f, .cosine = 1.0f, .left = 50 };
  mynah_source source = { sizeof source, tone, tone_pull, tone_seek, tone_close };
  struct words words = { .len = 0 };
  uint64_t track = 0;
  mynah_status status = audio->play(me->host, strtoull(guild, NULL, 10), &source,
                                    bytes("{\"gain\":1.0}"), &track, put_words, &words);
  if (status >= 0) return "a tone plays";
  tone_close(tone); /* refused: still ours */
  say(me, MYNAH_LOG_INFO, words.text);
  return "no tone: is the bot in a voice channel?";
}

static void event(void *self, const mynah_event *event) {
  struct hello *me = self;
  char id[32], token[600], guild[32], args[1024];
  if (event->name.len != strlen("INTERACTION_CREATE") ||
      memcmp(event->name.ptr, "INTERACTION_CREATE", event->name.len) != 0)
    return;
  if (!top_text(event->json, "id", id, sizeof id) ||
      !top_text(event->json, "token", token, sizeof token))
    return;
  const char *heard = top_text(event->json, "guild_id", guild, sizeof guild) ? play(me, guild) : "no server";
  me->greeted++;
  snprintf(args, sizeof args,
           "{\"method\":\"POST\",\"path\":\"/interactions/%s/%s/callback\",\"body\":{\"type\":4,"
           "\"data\":{\"content\":\"Hello from C, number %llu (%s)\"}}}",
           id, token, (unsigned long long)me->greeted, heard);
  if (me->ops->submit(me->host, str("rest"), bytes(args)) == 0)
    say(me, MYNAH_LOG_WARN, "too much is under way");
}

static void run(void *self, uint64_t task) { (void)self, (void)task; }

static void done(void *self, uint64_t op, mynah_status status, mynah_bytes body) {
  struct hello *me = self;
  (void)op;
  if (status < 0)
    me->host->log(me->host, MYNAH_LOG_WARN, str("hello-c"),
                  (mynah_str){ (const char *)body.ptr, body.len });
}

static mynah_status save(void *self, mynah_put out, void *sink) {
  struct hello *me = self;
  out(sink, (mynah_bytes){ (const uint8_t *)&me->greeted, sizeof me->greeted });
  return MYNAH_OK;
}

static void stop(void *self, uint32_t why) { (void)self, (void)why; }
static void destroy(void *self) { free(self); }
static const void *extension(void *self, mynah_str id) { (void)self, (void)id; return NULL; }

/* ---- the table ------------------------------------------------------------------------------------ */

static mynah_instance *create(const mynah_host *host) {
  struct hello *me = calloc(1, sizeof *me);
  if (me == NULL) return NULL;
  me->host = host;
  me->table = (mynah_instance){ sizeof me->table, me, start, event, run, done, save, stop, destroy, extension };
  return &me->table;
}

/* It has no keys of its own: anything but an empty table is a mistake. */
static mynah_status check(mynah_bytes config, mynah_put diag, void *sink) {
  if (config.len == 2 && memcmp(config.ptr, "{}", 2) == 0) return MYNAH_OK;
  diag(sink, bytes("[{\"pointer\":\"\",\"message\":\"hello-c has no keys of its own\",\"suggestion\":null}]"));
  return MYNAH_E_INVALID;
}

static const mynah_need needs[] = {
  { LITERAL("commands"), LITERAL("to offer /hello-c"), 1 },
  { LITERAL("voice.speak"), LITERAL("to play a tone"), 0 },
};

static const mynah_desc desc = {
  .size = sizeof(mynah_desc),
  .id = LITERAL("hello-c"),
  .name = LITERAL("Hello from C"),
  .version = LITERAL("1.0.0"),
  .about = LITERAL("Says hello, in plain C."),
  .needs = needs,
  .n_needs = sizeof needs / sizeof needs[0],
  .config_schema = LITERAL(""),
};

extern EXPORT const mynah_entry mynah_entry_v1__hello_c;
const mynah_entry mynah_entry_v1__hello_c = {
  .magic = MYNAH_MAGIC, .major = MYNAH_MAJOR, .minor = MYNAH_MINOR,
  .size = sizeof(mynah_entry), .flags = MYNAH_UNWINDS,
  .sdk = LITERAL("C, mynah_plugin.h"),
  .desc = &desc, .check = check, .create = create,
};
