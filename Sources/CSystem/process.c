#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "thimble_system.h"

extern char **environ;

static int64_t clock_nanoseconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
int64_t thimble_now_nanoseconds(void) { return clock_nanoseconds(CLOCK_MONOTONIC); }
int64_t thimble_wall_clock_milliseconds(void) { return clock_nanoseconds(CLOCK_REALTIME) / 1000000; }
int64_t thimble_process_cpu_nanoseconds(void) { return clock_nanoseconds(CLOCK_PROCESS_CPUTIME_ID); }
int64_t thimble_involuntary_switch_count(void) {
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) < 0 ? 0 : usage.ru_nivcsw;
}
int64_t thimble_physical_memory_byte_count(void) {
  return (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);
}
uint32_t thimble_effective_user(void) { return geteuid(); }
int32_t thimble_process_id(void) { return getpid(); }
void thimble_mark(int32_t mark) { getpgid(0x4D4B0000 | mark); }
const char *thimble_environment(const char *name) { return getenv(name); }
const char *thimble_error_text(int32_t error_number) { return strerror(error_number); }

extern const char thimble_tools_begin[] __attribute__((weak));
extern const char thimble_commands_begin[] __attribute__((weak));
extern const char thimble_commands_end[] __attribute__((weak));
thimble_code_aside thimble_find_code_aside(void) {
  return (thimble_code_aside){(uintptr_t)thimble_tools_begin, (uintptr_t)thimble_commands_begin, (uintptr_t)thimble_commands_end};
}

// Embedded Swift has no CommandLine: the arguments are read once from /proc, by the main thread before any other starts.
static char *arguments;
static size_t arguments_length;
static int32_t argument_count = -1;

// Half of a command line is another command: what cannot be read whole ends the program.
static void read_arguments(void) {
  argument_count = 0;
  int fd;
  do fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  while (fd < 0 && errno == EINTR);
  size_t capacity = 4096;
  ssize_t r = fd;
  arguments = fd < 0 ? NULL : malloc(capacity + 1);
  while (arguments && (r = read(fd, arguments + arguments_length, capacity - arguments_length)) != 0) {
    if (r < 0 && errno == EINTR) continue;
    if (r < 0) break;
    arguments_length += (size_t)r;
    if (arguments_length == capacity) {
      char *larger = realloc(arguments, capacity * 2 + 1);
      if (!larger) {
        r = -1;
        break;
      }
      arguments = larger;
      capacity *= 2;
    }
  }
  if (!arguments || r < 0) {
    const char *texts[] = {"thimble: cannot read /proc/self/cmdline: ", strerror(errno), "\n"};
    for (int i = 0; i < 3; i++) (void)!write(2, texts[i], strlen(texts[i]));
    _exit(1);
  }
  close(fd);
  arguments[arguments_length] = 0;
  for (size_t i = 0; i < arguments_length; i++) argument_count += arguments[i] == 0;
}
int32_t thimble_argument_count(void) {
  if (argument_count < 0) read_arguments();
  return argument_count;
}
const char *thimble_argument(int32_t index) {
  if (index < 0 || index >= thimble_argument_count()) return NULL;
  const char *p = arguments;
  while (index--) p += strlen(p) + 1;
  return p;
}

// `stream` becomes standard input and output, unless it is negative.
static int32_t start(const char *path, const char *const *arguments_, int stream) {
  pid_t process;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (stream >= 0) {
    posix_spawn_file_actions_adddup2(&actions, stream, 0);
    posix_spawn_file_actions_adddup2(&actions, stream, 1);
  }
  // The child must not inherit the parent's blocked signals.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  int error = posix_spawn(&process, path, &actions, &attributes, (char *const *)arguments_, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error ? -error : process;
}
int32_t thimble_start_process(const char *path, const char *const *arguments_) { return start(path, arguments_, -1); }
int32_t thimble_start_talking_process(const char *path, const char *const *arguments_, int32_t *fd) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
  int32_t process = start(path, arguments_, ends[1]);
  close(ends[1]);
  if (process < 0) {
    close(ends[0]);
  } else {
    *fd = ends[0];
  }
  return process;
}
int32_t thimble_terminate_process(int32_t process_id) { return kill(process_id, SIGTERM) < 0 ? -errno : 0; }
int32_t thimble_wait_process(int32_t process_id, bool blocks) {
  int status;
  pid_t ended = waitpid(process_id, &status, blocks ? 0 : WNOHANG);
  if (ended < 0) return -errno;
  if (ended == 0) return -EAGAIN;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
void thimble_exit(int32_t status) {
  fflush(stdout);
  exit(status);
}
void thimble_abort(const char *message) {
  fflush(stdout);
  ssize_t ignored = write(2, message, strlen(message));
  ignored = write(2, "\n", 1);
  (void)ignored;
  abort();
}
int32_t thimble_format_double(double value, int32_t digits, char *out, size_t count) {
  return snprintf(out, count, "%.*f", digits, value);
}
