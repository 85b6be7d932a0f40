// Sends one HTTP request again and again over a Unix socket, and says how long answers took.
//
// usage: load_client SOCKET REQUEST COUNT CLIENTS
// SOCKET: a path, or - for a process that reads as many bytes and answers nothing but 200: what the way itself takes.
// REQUEST: a file with a whole request, head and body. COUNT: of all requests that are timed; 0: until standard input ends. Each client has a
// connection and a thread, and asks anew when it has its answer. Prints a JSON object; times in µs.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { warm_up_count = 20, reply_bytes_max = 8 << 20, sample_max = 4 << 20 };

static const char *socket_path;
static char *request;
static size_t request_bytes;
static long wanted_count;
static long *samples;
static volatile long sample_count;
static volatile int is_ended;
static pthread_barrier_t barrier;

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int answer_nothing(void) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) fail("socketpair");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child > 0) {
    close(pair[1]);
    return pair[0];
  }
  close(pair[0]);
  char *bytes = malloc(request_bytes);
  static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  for (;;) {
    for (size_t received = 0; received < request_bytes;) {
      ssize_t count = read(pair[1], bytes + received, request_bytes - received);
      if (count <= 0) _exit(0);
      received += count;
    }
    if (write(pair[1], reply, sizeof reply - 1) < 0) _exit(0);
  }
}

static int dial(void) {
  if (!strcmp(socket_path, "-")) return answer_nothing();
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, socket_path, sizeof address.sun_path - 1);
  if (s < 0 || connect(s, (struct sockaddr *)&address, sizeof address)) fail(socket_path);
  return s;
}

static void ask(int s, char *reply) {
  for (size_t sent = 0; sent < request_bytes;) {
    ssize_t count = write(s, request + sent, request_bytes - sent);
    if (count <= 0) fail("write");
    sent += count;
  }
  size_t received = 0, whole = 0;
  while (!whole || received < whole) {
    ssize_t count = read(s, reply + received, reply_bytes_max - 1 - received);
    if (count <= 0) fail("read");
    received += count;
    reply[received] = 0;
    char *end = whole ? NULL : strstr(reply, "\r\n\r\n");
    if (!end) continue;
    char *length = strcasestr(reply, "content-length:");
    if (!length || length > end) {
      fprintf(stderr, "an answer without a length: %.300s\n", reply);
      exit(1);
    }
    whole = end + 4 - reply + strtoul(length + 15, NULL, 10);
  }
  if (strncmp(reply, "HTTP/1.1 200", 12)) {
    fprintf(stderr, "%.600s\n", reply);
    exit(1);
  }
}

static void *client(void *unused) {
  (void)unused;
  int s = dial();
  char *reply = malloc(reply_bytes_max);
  for (int i = 0; i < warm_up_count; i++) ask(s, reply);
  pthread_barrier_wait(&barrier);
  while (!is_ended) {
    long index = __sync_fetch_and_add(&sample_count, 1);
    if (wanted_count ? index >= wanted_count : index >= sample_max) break;
    long start = now();
    ask(s, reply);
    samples[index] = now() - start;
  }
  return NULL;
}

static int ascending(const void *a, const void *b) {
  long difference = *(const long *)a - *(const long *)b;
  return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: load_client SOCKET REQUEST COUNT CLIENTS\n");
    return 2;
  }
  socket_path = argv[1];
  wanted_count = atol(argv[3]);
  int clients = atoi(argv[4]);
  FILE *file = fopen(argv[2], "rb");
  if (!file || clients < 1 || clients > 64) fail(argv[2]);
  fseek(file, 0, SEEK_END);
  request_bytes = ftell(file);
  rewind(file);
  request = malloc(request_bytes);
  if (fread(request, 1, request_bytes, file) != request_bytes) fail(argv[2]);
  samples = calloc(wanted_count ? wanted_count : sample_max, sizeof *samples);
  pthread_barrier_init(&barrier, NULL, clients + 1);
  pthread_t threads[64];
  for (int i = 0; i < clients; i++) pthread_create(&threads[i], NULL, client, NULL);
  pthread_barrier_wait(&barrier);
  long start = now();
  if (!wanted_count) {
    char byte;
    while (read(0, &byte, 1) > 0) {}
    is_ended = 1;
  }
  for (int i = 0; i < clients; i++) pthread_join(threads[i], NULL);
  double seconds = (now() - start) / 1e9;
  long count = 0;
  double sum = 0;
  long asked = wanted_count ? wanted_count : sample_count < sample_max ? sample_count : sample_max;
  for (long i = 0; i < asked; i++) {
    if (samples[i] > 0) samples[count++] = samples[i];
  }
  for (long i = 0; i < count; i++) sum += samples[i];
  if (!count) return 1;
  qsort(samples, count, sizeof *samples, ascending);
  printf("{\"count\":%ld,\"min\":%.2f,\"p50\":%.2f,\"p99\":%.2f,\"max\":%.2f,\"mean\":%.2f,\"per_second\":%.1f}\n", count,
         samples[0] / 1e3, samples[count / 2] / 1e3, samples[(long)(count * 0.99)] / 1e3, samples[count - 1] / 1e3, sum / count / 1e3,
         count / seconds);
  return 0;
}
