/*
 * The payment service, as small as it can be: a debug log on stdout, one record of several lines for
 * each payment. It uses no SDK: the agent collects what it prints, and LogConfig `pay` makes fields
 * of it.
 *
 *   payment [--begin SECONDS --end SECONDS]   a span of unix time, or the present until killed
 *
 * STORY is the path of story.csv, which programs/world.py wrote.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  PERIOD_SECONDS = 5,      /* between two visits */
  LONGEST_CLICKS = 30,     /* seconds from a visit to its order, at most */
  MAX_VISITS = 1000,       /* of a cycle; the story has 240 */
  MAX_LINE = 512,
  PAUSE_NANOSECONDS = 500 * 1000 * 1000,
};

struct visit {
  long clicks;
  int orders, declined;
  long amount;
};

static struct visit cycle[MAX_VISITS];
static long visits;

/* Prints one record: where in this file, how grave, who, and then the fields. */
#define DEBUG_LOG(level, format, ...)                                                         \
  printf("__FILE__:%s\n__LEVEL__:%s\n__LINE__:%d\n__THREAD__:%d\n" format "\n", __FILE__, level, \
         __LINE__, (int)gettid(), __VA_ARGS__)

static void fail(const char *what, const char *which) {
  fprintf(stderr, "payment: %s %s\n", what, which);
  exit(1);
}

/* The number of the column `name`, by the table's first line. */
static int column(const char *header, const char *name) {
  char copy[MAX_LINE], *rest = copy, *each;
  snprintf(copy, sizeof copy, "%s", header);
  for (int number = 0; (each = strsep(&rest, ",\n")) != NULL; number++)
    if (strcmp(each, name) == 0)
      return number;
  fail("the story has no column", name);
  return -1;
}

static const char *cell(const char *line, int wanted, char *into) {
  for (; wanted > 0 && line != NULL; wanted--)
    if ((line = strchr(line, ',')) != NULL)
      line++;
  snprintf(into, MAX_LINE, "%.*s", line ? (int)strcspn(line, ",\n") : 0, line ? line : "");
  return into;
}

static void read_story(const char *path) {
  char header[MAX_LINE], line[MAX_LINE], text[MAX_LINE];
  FILE *file = fopen(path, "r");
  if (file == NULL || fgets(header, sizeof header, file) == NULL)
    fail("cannot read the story", path);
  int clicks = column(header, "clicks"), orders = column(header, "orders");
  int amount = column(header, "amount"), reason = column(header, "reason");
  while (visits < MAX_VISITS && fgets(line, sizeof line, file) != NULL) {
    struct visit *found = &cycle[visits++];
    found->clicks = 1;
    for (const char *at = cell(line, clicks, text); *at; at++)
      found->clicks += *at == ' ';
    found->orders = atoi(cell(line, orders, text));
    found->amount = atol(cell(line, amount, text));
    found->declined = strcmp(cell(line, reason, text), "payment declined") == 0;
  }
  fclose(file);
  if (visits == 0)
    fail("nothing happens in", path);
}

/* Takes the payments of the orders that are sent at `now`. */
static void pay(long now) {
  for (long number = (now - LONGEST_CLICKS) / PERIOD_SECONDS; number * PERIOD_SECONDS <= now; number++) {
    const struct visit *found = &cycle[number % visits];
    if (!found->orders || number * PERIOD_SECONDS + 2 * found->clicks != now)
      continue;
    if (found->declined)
      DEBUG_LOG("WARNING", "order:o%ld\namount:%ld\nresult:declined", number, found->amount);
    else
      DEBUG_LOG("DEBUG", "order:o%ld\namount:%ld\nresult:paid", number, found->amount);
  }
}

int main(int count, char **words) {
  const char *story = getenv("STORY");
  read_story(story ? story : "story.csv");
  setvbuf(stdout, NULL, _IOLBF, 0); /* a pipe would hold lines back */
  if (count == 5 && strcmp(words[1], "--begin") == 0 && strcmp(words[3], "--end") == 0) {
    for (long now = atol(words[2]); now < atol(words[4]); now++)
      pay(now);
    return 0;
  }
  if (count != 1) {
    fprintf(stderr, "usage: payment [--begin SECONDS --end SECONDS]\n");
    return 2;
  }
  for (long done = time(NULL) - 1;;) {
    while (done + 1 < time(NULL))
      pay(++done);
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_NANOSECONDS}, NULL);
  }
}
