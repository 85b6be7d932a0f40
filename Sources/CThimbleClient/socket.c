#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

int64_t tc_now_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Waits for the socket until the call's deadline.
static int wait_for(thimble_client *client, short events) {
  for (;;) {
    int64_t left = client->deadline_milliseconds - tc_now_milliseconds();
    if (left <= 0) return -ETIMEDOUT;
    struct pollfd poll_one = {client->socket, events, 0};
    int r = poll(&poll_one, 1, (int)(left > 60000 ? 60000 : left));
    if (r > 0) return 0;
    if (r < 0 && errno != EINTR) return -errno;
  }
}

int tc_connect(thimble_client *client) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  client->socket = fd;
  // EAGAIN: the queue of a daemon that accepts nobody just now is full.
  while (connect(fd, (struct sockaddr *)&client->address, sizeof client->address) < 0) {
    int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN && tc_now_milliseconds() < client->deadline_milliseconds) {
      poll(NULL, 0, 5);
      continue;
    }
    tc_disconnect(client);
    return error == EAGAIN ? -ETIMEDOUT : -error;
  }
  return 0;
}

// One sendmsg of what is left.
static ssize_t send_once(int fd, struct iovec *parts, size_t count, int descriptor) {
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr alignment;
  } room = {.bytes = {0}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
  if (descriptor >= 0) {
    message.msg_control = room.bytes;
    message.msg_controllen = sizeof room.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

ssize_t tc_send(thimble_client *client, struct iovec *parts, size_t count, int descriptor) {
  while (count > 0) {
    if (parts->iov_len == 0) {
      parts++, count--;
      continue;
    }
    ssize_t sent = send_once(client->socket, parts, count, descriptor);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return -errno;
      int waited = wait_for(client, POLLOUT);
      if (waited < 0) return waited;
      continue;
    }
    // It goes with the first bytes, once.
    descriptor = -1;
    for (size_t taken = (size_t)sent; taken > 0;) {
      size_t piece = taken < parts->iov_len ? taken : parts->iov_len;
      parts->iov_base = (char *)parts->iov_base + piece;
      parts->iov_len -= piece;
      taken -= piece;
      if (parts->iov_len == 0) parts++, count--;
    }
  }
  return 0;
}

ssize_t tc_receive(thimble_client *client, void *to, size_t capacity) {
  for (;;) {
    ssize_t received = recv(client->socket, to, capacity, 0);
    if (received >= 0) return received;
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return -errno;
    int waited = wait_for(client, POLLIN);
    if (waited < 0) return waited;
  }
}
