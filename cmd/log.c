/* SPDX-License-Identifier: MIT
 *
 * log.c - one line per event, words and key=value
 *
 * Theory of operation
 * ===================
 * A line is formatted into a fixed buffer, escaped into another one and given
 * to a single write(2) on stderr, so lines of the helper and the translator
 * never mix. Two forms: stderr is the journal (systemd says so by putting its
 * device and inode into JOURNAL_STREAM): "<LEVEL>words"; anything else:
 * "unmap edge: words". Errors and plain information need no mark there;
 * warnings and debug lines name their level.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd/log.h"

static const struct {
	const char *name;
	const char *mark;	/* in plain text */
	char journal;		/* level of sd-daemon(3) */
} levels[LEVEL_COUNT] = {
	[LEVEL_ERROR] = { "error", "", '3' },
	[LEVEL_WARN] = { "warn", "warning: ", '4' },
	[LEVEL_INFO] = { "info", "", '6' },
	[LEVEL_DEBUG] = { "debug", "debug: ", '7' },
};

static struct {
	char program[32];
	enum log_level level;
	bool journal;
} state = { .level = LEVEL_INFO };

/* JOURNAL_STREAM is "DEVICE:INODE" of what systemd connected us to. */
static bool is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!text || sscanf(text, "%llu:%llu", &dev, &ino) != 2)
		return false;
	return !fstat(STDERR_FILENO, &st) && st.st_dev == dev &&
	       st.st_ino == ino;
}

void log_open(const char *program, enum log_level level)
{
	snprintf(state.program, sizeof(state.program), "%s", program);
	state.level = level;
	state.journal = is_journal();
}

bool log_level_parse(enum log_level *level, const char *text)
{
	for (int i = 0; i < LEVEL_COUNT; i++) {
		if (!strcmp(text, levels[i].name)) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_is_on(enum log_level level)
{
	return level <= state.level;
}

size_t log_escape(char *to, size_t cap, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	size_t len = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = c >= 0x20 && c < 0x7f && c != '\\';

		if (len + (plain ? 1 : 4) >= cap)
			break;
		if (plain) {
			to[len++] = (char)c;
			continue;
		}
		to[len++] = '\\';
		to[len++] = 'x';
		to[len++] = hex[c >> 4];
		to[len++] = hex[c & 15];
	}
	to[len] = 0;
	return len;
}

static size_t put_prefix(char *to, size_t cap, enum log_level level)
{
	int n;

	if (state.journal)
		n = snprintf(to, cap, "<%c>", levels[level].journal);
	else
		n = snprintf(to, cap, "unmap%s%s: %s",
			     *state.program ? " " : "", state.program,
			     levels[level].mark);
	return n < 0 ? 0 : (size_t)n;
}

static void write_line(enum log_level level, const char *format, va_list ap)
	LOG_PRINTF(2, 0);
static void write_line(enum log_level level, const char *format, va_list ap)
{
	char words[LOG_LINE_MAX], line[LOG_LINE_MAX];
	size_t len;

	vsnprintf(words, sizeof(words), format, ap);
	len = put_prefix(line, sizeof(line), level);
	len += log_escape(line + len, sizeof(line) - len - 1, words);
	line[len++] = '\n';
	/* Nobody is left to be told when stderr itself fails. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

void log_write(enum log_level level, const char *format, ...)
{
	va_list ap;

	if (!log_is_on(level))
		return;
	va_start(ap, format);
	write_line(level, format, ap);
	va_end(ap);
}

_Noreturn void die(int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	write_line(LEVEL_ERROR, format, ap);
	va_end(ap);
	exit(code);
}

bool log_limit_take(struct log_limit *limit, uint64_t now)
{
	if (now >= limit->until) {
		limit->until = now + LOG_LIMIT_MS;
		limit->left = LOG_LIMIT_LINES;
	}
	if (!limit->left) {
		limit->missed++;
		return false;
	}
	limit->left--;
	return true;
}

struct log_limit *log_limit_for(struct log_limits *l, const char *reason)
{
	uint32_t hash = 2166136261u;	/* FNV-1a */

	for (; *reason; reason++)
		hash = (hash ^ (unsigned char)*reason) * 16777619u;
	hash += !hash;
	for (int i = 0; i < LOG_REASONS; i++) {
		if (!l->key[i])
			l->key[i] = hash;
		if (l->key[i] == hash)
			return &l->of[i];
	}
	return &l->of[hash % LOG_REASONS];
}

void log_limited_write(struct log_limit *limit, enum log_level level,
		       const char *format, ...)
{
	struct timespec t;
	va_list ap;

	clock_gettime(CLOCK_MONOTONIC, &t);
	if (!log_limit_take(limit, (uint64_t)t.tv_sec * 1000 +
				   (uint64_t)t.tv_nsec / 1000000))
		return;
	if (limit->missed)
		log_write(level, "%u lines like the next one were left out",
			  limit->missed);
	limit->missed = 0;
	va_start(ap, format);
	write_line(level, format, ap);
	va_end(ap);
}
