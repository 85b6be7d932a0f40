#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "thimble_system.h"

#define RESULT(call)               \
  do {                             \
    __typeof__(call) r_ = (call);  \
    return r_ < 0 ? -errno : r_;   \
  } while (0)

// Component by component, without following links: for kernels before 5.6.
static int walk(int directory, const char *path) {
  int fd = fcntl(directory, F_DUPFD_CLOEXEC, 0);
  while (fd >= 0 && *path) {
    size_t length = strcspn(path, "/");
    char name[256];
    if (length >= sizeof name) {
      close(fd);
      return errno = ENAMETOOLONG, -1;
    }
    memcpy(name, path, length);
    name[length] = 0;
    path += length + strspn(path + length, "/");
    int flags = *path ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK;
    int next = strcmp(name, "..") == 0 ? (errno = EXDEV, -1) : openat(fd, name, flags | O_CLOEXEC | O_NOFOLLOW);
    if (next < 0 && errno == ELOOP) errno = EXDEV;
    int status = errno;
    close(fd);
    errno = status;
    fd = next;
  }
  return fd;
}

int32_t thimble_open_beneath(const char *directory, const char *path) {
  int base = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (base < 0) return -errno;
  struct { uint64_t flags, mode, resolve; } how = {O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, 0x08 | 0x02 /* RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS */};
  long fd = syscall(437 /* openat2 */, (long)base, path, &how, sizeof how);
  if (fd < 0 && errno == ENOSYS) fd = walk(base, path);
  int status = errno;
  close(base);
  return fd < 0 ? -status : (int32_t)fd;
}

int32_t thimble_open_read(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -errno;
  // Only opening must not wait: a pipe that has a writer is read as it comes.
  fcntl(fd, F_SETFL, 0);
  return fd;
}
int32_t thimble_open_locked(const char *path, uint32_t mode) {
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
  if (fd < 0) return -errno;
  if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
    int32_t error = errno;
    close(fd);
    return -error;
  }
  return fd;
}
int32_t thimble_create_file(const char *path, uint32_t mode) {
  RESULT(open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
}
int32_t thimble_create_memory_file(const char *name) {
  RESULT((int32_t)syscall(SYS_memfd_create, name, 1u /* MFD_CLOEXEC */));
}
int32_t thimble_truncate(int32_t fd, int64_t byte_count) { RESULT(ftruncate(fd, byte_count)); }
int32_t thimble_open_append(const char *path, uint32_t mode) {
  RESULT(open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, mode));
}

// linux/fcntl.h and linux/magic.h, which musl's sysroot lacks.
enum { GET_SEALS = 1034, ADD_SEALS = 1033, SEAL_SHRINK = 2, SEAL_GROW = 4 };
#define TMPFS 0x01021994u
#define RAMFS 0x858458f6u

static int32_t close_with(int32_t fd, int32_t error) {
  close(fd);
  return -error;
}
static bool is_in_memory(int32_t fd) {
  struct statfs s;
  if (fstatfs(fd, &s) < 0) return false;
  return (uint32_t)s.f_type == TMPFS || (uint32_t)s.f_type == RAMFS;
}
int32_t thimble_create_sealed_memory_file(const char *name, int64_t byte_count) {
  int32_t fd = (int32_t)syscall(SYS_memfd_create, name, 3u /* MFD_CLOEXEC | MFD_ALLOW_SEALING */);
  if (fd < 0) return -errno;
  if (ftruncate(fd, byte_count) < 0 || fcntl(fd, ADD_SEALS, SEAL_SHRINK | SEAL_GROW) < 0) return close_with(fd, errno);
  return fd;
}
int32_t thimble_create_in_memory_at(const char *path, int64_t byte_count) {
  int32_t fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return -errno;
  if (ftruncate(fd, byte_count) == 0) return fd;
  int32_t error = errno;
  unlink(path);
  return close_with(fd, error);
}
int32_t thimble_seals(int32_t fd) {
  // Huge pages have other rules for sizes.
  if (!is_in_memory(fd)) return -EINVAL;
  RESULT(fcntl(fd, GET_SEALS));
}
bool thimble_is_writable(int32_t fd) { return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR; }
int32_t thimble_open_in_memory(const char *path) {
  int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return -errno;
  return is_in_memory(fd) ? fd : close_with(fd, EOPNOTSUPP);
}
int32_t thimble_duplicate(int32_t fd) { RESULT(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }
int32_t thimble_close(int32_t fd) { RESULT(close(fd)); }
int64_t thimble_read(int32_t fd, void *buffer, size_t count) { RESULT((int64_t)read(fd, buffer, count)); }
int64_t thimble_read_at(int32_t fd, void *buffer, size_t count, int64_t offset) {
  RESULT((int64_t)pread(fd, buffer, count, offset));
}
int64_t thimble_write(int32_t fd, const void *buffer, size_t count) { RESULT((int64_t)write(fd, buffer, count)); }
int64_t thimble_write_at(int32_t fd, const void *buffer, size_t count, int64_t offset) {
  RESULT((int64_t)pwrite(fd, buffer, count, offset));
}
int32_t thimble_sync(int32_t fd) { RESULT(fsync(fd)); }
int32_t thimble_forget_cached(int32_t fd) { return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); }

static void fill_status(const struct stat *from, thimble_file_status *to) {
  to->byte_count = from->st_size;
  to->modified_nanoseconds = (int64_t)from->st_mtim.tv_sec * 1000000000 + from->st_mtim.tv_nsec;
  to->device = from->st_dev;
  to->inode = from->st_ino;
  to->user = from->st_uid;
  to->is_directory = S_ISDIR(from->st_mode);
  to->is_regular = S_ISREG(from->st_mode);
  to->is_socket = S_ISSOCK(from->st_mode);
}
int32_t thimble_status(const char *path, thimble_file_status *status) {
  struct stat s;
  if (stat(path, &s) < 0) return -errno;
  fill_status(&s, status);
  return 0;
}
int32_t thimble_status_of(int32_t fd, thimble_file_status *status) {
  struct stat s;
  if (fstat(fd, &s) < 0) return -errno;
  fill_status(&s, status);
  return 0;
}
int32_t thimble_rename(const char *from, const char *to) { RESULT(rename(from, to)); }
int32_t thimble_unlink(const char *path) { RESULT(unlink(path)); }
int32_t thimble_remove_directory(const char *path) { RESULT(rmdir(path)); }
int32_t thimble_create_directory(const char *path, uint32_t mode) { RESULT(mkdir(path, mode)); }
bool thimble_is_terminal(int32_t fd) { return isatty(fd) == 1; }

void *thimble_directory_open(const char *path, int32_t *error) {
  DIR *directory = opendir(path);
  *error = directory ? 0 : errno;
  return directory;
}
int32_t thimble_directory_next(void *directory, const char **name) {
  errno = 0;
  struct dirent *entry = readdir(directory);
  if (!entry) return -errno;
  *name = entry->d_name;
  return 1;
}
void thimble_directory_close(void *directory) { closedir(directory); }
