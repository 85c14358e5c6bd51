/* SPDX-License-Identifier: MIT
 *
 * main.c - runs seeds
 *
 *	sim [-j JOBS] FROM COUNT	silent but for what breaks a law
 *	sim -r				the seeds that found something once
 *	sim [-t LEVEL] SEED		one, told (1: what happens, 2: packets)
 *
 * Jobs are processes: job n takes every JOBS-th seed from FROM + n on, and says
 * through a pipe what it found. One that dies is a finding as well: of the seed
 * it was at.
 */
#include "tests/sim/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MOST = 64, SHOWN = 20 };
#ifdef __SANITIZE_ADDRESS__
enum { SAFE = 1 };
#else
enum { SAFE = 0 };
#endif

/** struct job - what a job and its parent share */
struct job {
	pid_t pid;
	uint64_t seed;
	uint32_t done, failed;
	msec recovery, best;		/* longest */
	uint64_t recovery_seed, best_seed;
};

/** struct known - a seed that broke a law once, and what was wrong */
struct known {
	uint64_t seed;
	const char *name, *what;
};

static const struct known known[] = {
#define SEED(seed, name, what) { seed, name, what },
#include "tests/sim/seeds.def"
#undef SEED
};

static struct run run;

static void measure(struct job *j, const struct run *r)
{
	if (r->recovery > j->recovery) {
		j->recovery = r->recovery;
		j->recovery_seed = r->seed;
	}
	if (r->best > j->best) {
		j->best = r->best;
		j->best_seed = r->seed;
	}
}

static void job_run(struct job *j, uint64_t from, uint64_t to, uint64_t step)
{
	for (j->seed = from; j->seed < to; j->seed += step) {
		const char *error = run_seed(&run, j->seed, 0);

		j->done++;
		measure(j, &run);
		if (error && j->failed++ < SHOWN) {
			printf("seed %llu: %s (%s)\n",
			       (unsigned long long)j->seed, error, run.nat);
			fflush(stdout);
		}
	}
}

static uint32_t job_end(struct job *j)
{
	int status;

	waitpid(j->pid, &status, 0);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return j->failed;
	printf("seed %llu: died of %d\n", (unsigned long long)j->seed,
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return j->failed + 1;
}

static void verdict(uint64_t from, const struct job *all)
{
	printf("%sok sim/%s%llu-%llu", all->failed ? "not " : "",
	       SAFE ? "sanitized-" : "seeds-", (unsigned long long)from,
	       (unsigned long long)(from + all->done - 1));
	if (all->failed)
		printf(" (%u failed)", all->failed);
	putchar('\n');
}

static int many(uint64_t from, uint64_t count, uint32_t jobs)
{
	struct job *job = mmap(NULL, JOBS_MOST * sizeof(*job),
			       PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0), all = { 0 };
	struct timespec begin, end;
	double took;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	fflush(stdout);
	for (uint32_t i = 0; i < jobs; i++) {
		job[i].pid = fork();
		if (!job[i].pid) {
			job_run(&job[i], from + i, from + count, jobs);
			_exit(0);
		}
	}
	for (uint32_t i = 0; i < jobs; i++) {
		all.failed += job_end(&job[i]);
		all.done += job[i].done;
		if (job[i].recovery > all.recovery) {
			all.recovery = job[i].recovery;
			all.recovery_seed = job[i].recovery_seed;
		}
		if (job[i].best > all.best) {
			all.best = job[i].best;
			all.best_seed = job[i].best_seed;
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	took = (double)(end.tv_sec - begin.tv_sec) +
	       (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	printf("%u seeds in %.1f s (%.0f/s); longest recovery %.1f s (seed "
	       "%llu), back on the best carrier %.1f s (seed %llu)\n",
	       all.done, took, all.done / took, (double)all.recovery / 1000,
	       (unsigned long long)all.recovery_seed, (double)all.best / 1000,
	       (unsigned long long)all.best_seed);
	verdict(from, &all);
	return all.failed != 0;
}

static int regressions(void)
{
	int bad = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const char *error = run_seed(&run, known[i].seed, 0);

		if (error)
			printf("seed %llu: %s; was: %s\n",
			       (unsigned long long)known[i].seed, error,
			       known[i].what);
		printf("%sok sim/%s\n", error ? "not " : "", known[i].name);
		bad |= error != NULL;
	}
	return bad;
}

static int one(uint64_t seed, int trace)
{
	const char *error = run_seed(&run, seed, trace);

	printf("%sok sim/seed-%llu%s%s\n", error ? "not " : "",
	       (unsigned long long)seed, error ? ": " : "",
	       error ? error : "");
	return error != NULL;
}

int main(int argc, char **argv)
{
	uint32_t jobs = 1;
	int trace = 1, c;

	while ((c = getopt(argc, argv, "j:rt:")) != -1) {
		if (c == 'r')
			return regressions();
		if (c == 'j')
			jobs = (uint32_t)atoi(optarg);
		else if (c == 't')
			trace = atoi(optarg);
		else
			return 64;
	}
	argc -= optind;
	argv += optind;
	if (argc < 1 || argc > 2 || jobs < 1 || jobs > JOBS_MOST) {
		fprintf(stderr, "usage: sim [-j JOBS] FROM COUNT | sim -r | "
			"sim [-t LEVEL] SEED\n");
		return 64;
	}
	return argc == 2 ? many(strtoull(argv[0], NULL, 0),
				strtoull(argv[1], NULL, 0), jobs) :
	       one(strtoull(argv[0], NULL, 0), trace);
}
