#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "thimble_system.h"

int32_t thimble_open_trigger(const char *path, const void *text, size_t count) {
  int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -errno;
  if (count > 0 && write(fd, text, count) < 0) {
    int32_t error = errno;
    close(fd);
    return -error;
  }
  return fd;
}
int32_t thimble_open_write(const char *path) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}
static int32_t watch(const char *path, uint32_t events) {
  int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return -errno;
  if (inotify_add_watch(fd, path, events) < 0) {
    int32_t error = errno;
    close(fd);
    return -error;
  }
  return fd;
}
int32_t thimble_watch_create(const char *path) { return watch(path, IN_MODIFY | IN_MOVED_TO); }
int32_t thimble_watch_add(int32_t fd, const char *path) {
  return inotify_add_watch(fd, path, IN_MODIFY | IN_MOVED_TO) < 0 ? -errno : 0;
}
int32_t thimble_watch_directory(const char *path) {
  return watch(path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR);
}
int32_t thimble_watch_more(int32_t fd, const char *path) {
  uint32_t events = IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR;
  return inotify_add_watch(fd, path, events) < 0 ? -errno : 0;
}
int32_t thimble_poll_now(int32_t fd, uint32_t events) {
  struct pollfd one = {.fd = fd, .events = (short)events};
  int r = poll(&one, 1, 0);
  return r < 0 ? -errno : r == 0 ? 0 : one.revents;
}
