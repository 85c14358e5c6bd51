/* SPDX-License-Identifier: MIT
 *
 * log.h - one line per event, words and key=value
 *
 *	log_info("link up hub=%s rtt_ms=%u", name, rtt);
 *	die(EX_NOINPUT, "cannot read %s: %s", path, strerror(errno));
 *
 * Under systemd each line carries its journal level ("<3>..."), elsewhere the
 * program's name. Whatever is not printable ASCII is written as \xNN, so text
 * from a peer can neither forge lines nor reach the terminal.
 */
#ifndef CMD_LOG_H
#define CMD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sysexits.h>

enum log_level {
	LEVEL_ERROR,
	LEVEL_WARN,
	LEVEL_INFO,
	LEVEL_DEBUG,
	LEVEL_COUNT
};

#define LOG_LINE_MAX 1024	/* longer lines are cut */
#define LOG_PRINTF(a, b) __attribute__((format(printf, a, b)))

/** log_open() - Name this program ("edge"), set the level; repeatable */
void log_open(const char *program, enum log_level level);

/** log_level_parse() - "error", "warn", "info", "debug"; false if none */
bool log_level_parse(enum log_level *level, const char *text);

/** log_is_on() - Would a line of @level be written? */
bool log_is_on(enum log_level level);

/** log_write() - Write a line; see the macros below */
void log_write(enum log_level level, const char *format, ...) LOG_PRINTF(2, 3);

#define log_error(...) log_write(LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                        \
	do {                                                                  \
		if (log_is_on(LEVEL_DEBUG))                                   \
			log_write(LEVEL_DEBUG, __VA_ARGS__);                  \
	} while (0)

/** die() - Say why and exit with @code of sysexits.h */
_Noreturn void die(int code, const char *format, ...) LOG_PRINTF(2, 3);

/** struct log_limit - how often one place in the code may log
 * @until: end of the period that runs, ms
 * @left: lines that may still be written in it
 * @missed: lines not written since the last one that was
 */
struct log_limit {
	uint64_t until;
	unsigned left, missed;
};

#define LOG_LIMIT_MS 60000
#define LOG_LIMIT_LINES 5

/** log_limit_take() - May this place log at @now (ms)? Counts if not */
bool log_limit_take(struct log_limit *limit, uint64_t now);

/** log_limited() - At most LOG_LIMIT_LINES a minute from this very place
 *
 * The first line after a silence tells how many were left out.
 */
#define log_limited(level, ...)                                               \
	do {                                                                  \
		static struct log_limit limit_here_;                          \
		if (log_is_on(level))                                         \
			log_limited_write(&limit_here_, level, __VA_ARGS__);  \
	} while (0)
void log_limited_write(struct log_limit *limit, enum log_level level,
		       const char *format, ...) LOG_PRINTF(3, 4);

enum { LOG_REASONS = 32 };

/** struct log_limits - limits of a place that has many reasons to log, so that
 * a flood for one of them does not hide the others
 */
struct log_limits {
	uint32_t key[LOG_REASONS];	/* hashes of reasons, 0: free */
	struct log_limit of[LOG_REASONS];
};

/** log_limit_for() - The limit for @reason; when all are taken, somebody's */
struct log_limit *log_limit_for(struct log_limits *l, const char *reason);

/** log_escape() - Copy @text to @to as printable ASCII; gives its length
 * @cap: size of @to, at least 1; what does not fit is cut
 */
size_t log_escape(char *to, size_t cap, const char *text);

#endif
