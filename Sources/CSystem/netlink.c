#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "thimble_system.h"

// From the kernel's ABI, spelled out: musl comes without kernel headers.
enum { SOL_NETLINK_ = 270, NETLINK_ADD_MEMBERSHIP_ = 1 };
struct netlink_address {
  uint16_t family, padding;
  uint32_t port, groups;
};

int32_t thimble_netlink_open(int32_t protocol, uint32_t groups) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) return -errno;
  struct netlink_address address = {.family = AF_NETLINK, .groups = groups};
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    int32_t error = errno;
    close(fd);
    return -error;
  }
  return fd;
}
int32_t thimble_netlink_join(int32_t fd, uint32_t group) {
  return setsockopt(fd, SOL_NETLINK_, NETLINK_ADD_MEMBERSHIP_, &group, sizeof group) < 0 ? -errno : 0;
}
int64_t thimble_netlink_receive(int32_t fd, void *buffer, size_t count) {
  struct netlink_address from = {0};
  socklen_t length = sizeof from;
  ssize_t r = recvfrom(fd, buffer, count, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
  if (r < 0) return -errno;
  // Another program's messages name its port; the kernel's is 0.
  return from.port == 0 ? r : 0;
}
