#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "thimble_system.h"

static int32_t unix_address(const char *path, struct sockaddr_un *address) {
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof address->sun_path) return -ENAMETOOLONG;
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, length + 1);
  return 0;
}

int32_t thimble_listen(const char *path, int32_t backlog, uint32_t mode) {
  struct sockaddr_un address;
  int32_t bad = unix_address(path, &address);
  if (bad) return bad;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  // The mode is set before anybody can connect: nobody can until listen().
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(path, mode) < 0 || listen(fd, backlog) < 0) {
    int32_t error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int32_t thimble_listen_tcp(uint32_t host, uint16_t port, int32_t backlog) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(host)}};
  // Accepted sockets inherit TCP_NODELAY.
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
      bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, backlog) < 0) {
    int32_t error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int32_t thimble_connection_of(int32_t fd, thimble_connection *connection) {
  struct sockaddr_in own, peer;
  socklen_t own_length = sizeof own, peer_length = sizeof peer;
  if (getsockname(fd, (struct sockaddr *)&own, &own_length) < 0) return -errno;
  if (getpeername(fd, (struct sockaddr *)&peer, &peer_length) < 0) return -errno;
  if (own_length != sizeof own || own.sin_family != AF_INET) return -EAFNOSUPPORT;
  *connection = (thimble_connection){own.sin_addr.s_addr, peer.sin_addr.s_addr, ntohs(own.sin_port), ntohs(peer.sin_port)};
  return 0;
}
int32_t thimble_listening_port(int32_t fd) {
  struct sockaddr_in own;
  socklen_t length = sizeof own;
  if (getsockname(fd, (struct sockaddr *)&own, &length) < 0) return -errno;
  return ntohs(own.sin_port);
}

static int32_t connect_to(const char *path, int flags, int32_t timeout_milliseconds) {
  struct sockaddr_un address;
  int32_t bad = unix_address(path, &address);
  if (bad) return bad;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) return -errno;
  struct timeval limit = {.tv_sec = timeout_milliseconds / 1000, .tv_usec = timeout_milliseconds % 1000 * 1000};
  // Zero is no limit. The one for sending is that for connecting too.
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
      setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
      connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    int32_t error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int32_t thimble_connect(const char *path, int32_t timeout_milliseconds) {
  return connect_to(path, 0, timeout_milliseconds);
}
int32_t thimble_connect_at_once(const char *path) { return connect_to(path, SOCK_NONBLOCK, 0); }

int32_t thimble_accept(int32_t fd) {
  int r = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return r < 0 ? -errno : r;
}
int64_t thimble_receive(int32_t fd, void *buffer, size_t count) {
  int64_t r = recv(fd, buffer, count, 0);
  return r < 0 ? -errno : r;
}
// Room for one descriptor, and not a byte more: those that find none are closed by the kernel.
typedef union {
  char bytes[CMSG_SPACE(sizeof(int32_t))];
  struct cmsghdr alignment;
} descriptor_room;

int64_t thimble_receive_passed(int32_t fd, void *buffer, size_t count, int32_t *passed) {
  descriptor_room room;
  struct iovec vector = {buffer, count};
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = CMSG_LEN(sizeof(int32_t))};
  *passed = -1;
  int64_t r = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (r < 0) return -errno;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof(int32_t)))
    memcpy(passed, CMSG_DATA(header), sizeof *passed);
  return r;
}
int64_t thimble_peer_user(int32_t fd) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return -errno;
  return length == sizeof peer ? (int64_t)peer.uid : -ENOTSUP;
}
int32_t thimble_peer_groups(int32_t fd, uint32_t *groups, int32_t count) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (count < 1 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 || length != sizeof peer) return 0;
  groups[0] = peer.gid;
  // 59: SO_PEERGROUPS, of Linux 4.13; where it is missing or they are too many the first one counts alone.
  length = (socklen_t)(count - 1) * sizeof *groups;
  if (getsockopt(fd, SOL_SOCKET, 59, groups + 1, &length) < 0) return 1;
  return 1 + (int32_t)(length / sizeof *groups);
}
int64_t thimble_send(int32_t fd, const thimble_bytes *parts, size_t count) {
  return thimble_send_passing(fd, parts, count, -1);
}
int64_t thimble_send_passing(int32_t fd, const thimble_bytes *parts, size_t count, int32_t passed) {
  struct iovec vectors[16];
  if (count > 16) count = 16;
  for (size_t i = 0; i < count; i++) vectors[i] = (struct iovec){(void *)parts[i].base, parts[i].count};
  struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
  descriptor_room room = {.bytes = {0}};
  if (passed >= 0) {
    message.msg_control = room.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof passed);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof passed)};
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
  }
  int64_t r = sendmsg(fd, &message, MSG_NOSIGNAL);
  return r < 0 ? -errno : r;
}
int32_t thimble_socket_pair(int32_t fds[2]) {
  return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ? -errno : 0;
}

int32_t thimble_poll_create(void) {
  int r = epoll_create1(EPOLL_CLOEXEC);
  return r < 0 ? -errno : r;
}
static int32_t control(int32_t poll, int operation, int32_t fd, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data.u64 = token};
  return epoll_ctl(poll, operation, fd, &event) < 0 ? -errno : 0;
}
int32_t thimble_poll_add(int32_t poll, int32_t fd, uint32_t events, uint64_t token) {
  return control(poll, EPOLL_CTL_ADD, fd, events, token);
}
int32_t thimble_poll_change(int32_t poll, int32_t fd, uint32_t events, uint64_t token) {
  return control(poll, EPOLL_CTL_MOD, fd, events, token);
}
int32_t thimble_poll_remove(int32_t poll, int32_t fd) { return control(poll, EPOLL_CTL_DEL, fd, 0, 0); }
int32_t thimble_poll_wait(int32_t poll, thimble_event *events, int32_t count, int32_t timeout_milliseconds) {
  struct epoll_event ready[64];
  if (count > 64) count = 64;
  int r = epoll_wait(poll, ready, count, timeout_milliseconds);
  if (r < 0) return -errno;
  for (int i = 0; i < r; i++) events[i] = (thimble_event){ready[i].events, ready[i].data.u64};
  return r;
}
int32_t thimble_event_create(void) {
  int r = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return r < 0 ? -errno : r;
}
int32_t thimble_event_signal(int32_t fd) {
  uint64_t one = 1;
  return write(fd, &one, sizeof one) < 0 ? -errno : 0;
}
int32_t thimble_event_clear(int32_t fd) {
  uint64_t count;
  return read(fd, &count, sizeof count) < 0 ? -errno : 0;
}
int32_t thimble_signals_create(bool takes_hang_up) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (takes_hang_up) sigaddset(&set, SIGHUP);
  if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
  int r = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return r < 0 ? -errno : r;
}
int32_t thimble_signals_read(int32_t fd) {
  struct signalfd_siginfo info;
  ssize_t r = read(fd, &info, sizeof info);
  return r < 0 ? -errno : (int32_t)info.ssi_signo;
}
