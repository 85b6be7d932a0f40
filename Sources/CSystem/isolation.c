// What a process gives up for good once it has all that it needs: privileges, system calls, files. The C library of the static builds
// comes without the kernel's headers: what is declared here is the kernel's interface, which does not change.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "thimble_system.h"

// MARK: Privileges

int32_t thimble_forbid_new_privileges(void) { return prctl(38 /* PR_SET_NO_NEW_PRIVS */, 1L, 0L, 0L, 0L) < 0 ? -errno : 0; }

int32_t thimble_drop_capabilities(void) {
  // The bounding set first: that needs a capability itself. Without it nothing can be gained through the set either.
  for (long capability = 0; capability < 64; capability++) prctl(24 /* PR_CAPBSET_DROP */, capability, 0L, 0L, 0L);
  prctl(47 /* PR_CAP_AMBIENT */, 4L /* PR_CAP_AMBIENT_CLEAR_ALL */, 0L, 0L, 0L);
  struct { uint32_t version; int32_t process; } header = {0x20080522, 0};
  struct { uint32_t effective, permitted, inheritable; } none[2] = {{0, 0, 0}, {0, 0, 0}};
  return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

// MARK: The user

static int32_t number(const char *text, uint32_t *value) {
  char *end;
  errno = 0;
  unsigned long parsed = strtoul(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || errno || parsed >= UINT32_MAX) return -EINVAL;
  *value = (uint32_t)parsed;
  return 0;
}

int32_t thimble_find_user(const char *user, const char *group, uint32_t *uid, uint32_t *gid) {
  const struct passwd *entry = NULL;
  if (number(user, uid) < 0) {
    if (!(entry = getpwnam(user))) return -ENOENT;
    *uid = entry->pw_uid;
  } else if (!group) {
    entry = getpwuid(*uid);
  }
  if (!group) {
    if (!entry) return -ESRCH;
    *gid = entry->pw_gid;
    return 0;
  }
  if (number(group, gid) == 0) return 0;
  const struct group *named = getgrnam(group);
  if (!named) return -ESRCH;
  *gid = named->gr_gid;
  return 0;
}

int32_t thimble_become_user(uint32_t uid, uint32_t gid) {
  if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) return -errno;
  // What can be taken back was not given up.
  if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0)) return -EPERM;
  return 0;
}

uint32_t thimble_user(void) { return (uint32_t)geteuid(); }
uint32_t thimble_group(void) { return (uint32_t)getegid(); }

int32_t thimble_give_file(const char *path, uint32_t uid, uint32_t gid) { return lchown(path, uid, gid) < 0 ? -errno : 0; }

// MARK: System calls

typedef struct {
  int32_t number;
  const char *name;
} call;

enum { OPENAT2 = 437 };
#define CALL(name) {SYS_##name, #name}

// All that the daemon does once it serves.
static const call allowed[] = {
    // Files: models, sensors, what was measured.
    CALL(read), CALL(write), CALL(pread64), CALL(close), CALL(fstat), CALL(fstatfs), CALL(getdents64), CALL(flock),
    {OPENAT2, "openat2"},
#ifdef __x86_64__
    CALL(open), CALL(stat), CALL(unlink), CALL(rename),
#else
    CALL(openat), CALL(newfstatat), CALL(unlinkat), CALL(renameat),
#endif
    // Memory; `mmap` and `mprotect` below.
    CALL(munmap), CALL(mremap), CALL(madvise), CALL(brk),
    // Clients.
    CALL(accept4), CALL(recvmsg), CALL(recvfrom), CALL(sendmsg), CALL(sendto), CALL(getsockopt), CALL(setsockopt),
    CALL(getpeername), CALL(getsockname), CALL(fcntl),
    // Waiting.
    CALL(futex), CALL(epoll_pwait), CALL(epoll_ctl), CALL(epoll_create1), CALL(inotify_add_watch), CALL(inotify_rm_watch),
#ifdef __x86_64__
    CALL(poll),
#else
    CALL(ppoll),
#endif
    CALL(clock_gettime),
    // Threads and their places.
    CALL(sched_setaffinity), CALL(sched_getaffinity), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(getpid),
    CALL(exit), CALL(exit_group),
#ifdef __GLIBC__
    // What builds against Debian's C library call instead, or besides; the static ones do not.
    CALL(openat), CALL(newfstatat), CALL(unlinkat), CALL(lseek), CALL(epoll_pwait2), CALL(clock_nanosleep), CALL(getrandom),
    CALL(set_robust_list), CALL(rseq), CALL(gettid), CALL(tgkill),
#ifdef __x86_64__
    CALL(epoll_wait), CALL(lstat),
#endif
#endif
};

// Allowed with some arguments only.
static const call limited[] = {CALL(mmap), CALL(mprotect), CALL(socket)};

enum { allowed_count = sizeof allowed / sizeof *allowed, limited_count = sizeof limited / sizeof *limited };

const char *thimble_allowed_call(int32_t index) {
  if (index < 0) return NULL;
  if (index < allowed_count) return allowed[index].name;
  return index < allowed_count + limited_count ? limited[index - allowed_count].name : NULL;
}

// linux/filter.h
typedef struct {
  uint16_t code;
  uint8_t jump_true, jump_false;
  uint32_t value;
} instruction;

enum {
  load_word = 0x20,      // BPF_LD | BPF_W | BPF_ABS
  jump_equal = 0x15,     // BPF_JMP | BPF_JEQ | BPF_K
  jump_any_bit = 0x45,   // BPF_JMP | BPF_JSET | BPF_K
  answer = 0x06,         // BPF_RET | BPF_K
  // Offsets in struct seccomp_data.
  number_offset = 0,
  architecture_offset = 4,
  arguments_offset = 16,
};

#define ALLOW 0x7fff0000u
#define REFUSE (0x00050000u | EPERM)
#ifdef __x86_64__
#define ARCHITECTURE 0xC000003Eu
#else
#define ARCHITECTURE 0xC00000B7u
#endif

int32_t thimble_filter_calls(void) {
  // A kernel before 5.6 goes through the components one by one instead.
  bool opens_beneath = syscall(OPENAT2, -1L, NULL, NULL, 0L) == 0 || errno != ENOSYS;
  instruction filter[2 * allowed_count + 32];
  size_t count = 0;
#define ADD(...) (filter[count++] = (instruction){__VA_ARGS__})
  ADD(load_word, 0, 0, architecture_offset);
  ADD(jump_equal, 1, 0, ARCHITECTURE);
  ADD(answer, 0, 0, REFUSE);
  ADD(load_word, 0, 0, number_offset);
  for (size_t index = 0; index < allowed_count; index++) {
    int32_t number = allowed[index].number;
    ADD(jump_equal, 0, 1, (uint32_t)(number == OPENAT2 && !opens_beneath ? SYS_openat : number));
    ADD(answer, 0, 0, ALLOW);
  }
  // No memory that can be executed.
  const int32_t mapping[] = {SYS_mmap, SYS_mprotect};
  for (size_t index = 0; index < 2; index++) {
    ADD(jump_equal, 0, 4, (uint32_t)mapping[index]);
    ADD(load_word, 0, 0, arguments_offset + 8 * 2);
    ADD(jump_any_bit, 0, 1, 4 /* PROT_EXEC */);
    ADD(answer, 0, 0, REFUSE);
    ADD(answer, 0, 0, ALLOW);
  }
  // Sockets that say something to the service manager, and nothing to other machines.
  ADD(jump_equal, 0, 3, SYS_socket);
  ADD(load_word, 0, 0, arguments_offset);
  ADD(jump_equal, 0, 1, 1 /* AF_UNIX */);
  ADD(answer, 0, 0, ALLOW);
  ADD(answer, 0, 0, REFUSE);
#undef ADD
  struct { uint16_t count; instruction *filter; } program = {(uint16_t)count, filter};
  // For all threads there are; those to come inherit it.
  long r = syscall(SYS_seccomp, 1 /* SECCOMP_SET_MODE_FILTER */, 1L /* SECCOMP_FILTER_FLAG_TSYNC */, &program);
  return r < 0 ? -errno : r > 0 ? -ESRCH : 0;
}

int32_t thimble_try_forbidden_calls(void) {
  char *none[] = {NULL};
  if (execve("/proc/self/exe", none, none) == 0 || errno != EPERM) return -1;
  if (syscall(SYS_ptrace, 0L, 0L, 0L, 0L) == 0 || errno != EPERM) return -2;
  if (syscall(SYS_socket, 2L /* AF_INET */, 1L, 0L) >= 0 || errno != EPERM) return -3;
  if (syscall(SYS_mmap, NULL, 4096L, 5L /* read, execute */, 0x22L /* private, anonymous */, -1L, 0L) != -1 || errno != EPERM)
    return -4;
  return 0;
}

// MARK: Files (linux/landlock.h)

enum {
  landlock_execute = 1 << 0,
  landlock_write_file = 1 << 1,
  landlock_read_file = 1 << 2,
  landlock_read_directory = 1 << 3,
  // What makes or removes an entry: remove_dir (4) to make_sym (12).
  landlock_entries = 0x1FF0,
  landlock_refer = 1 << 13,
  landlock_truncate = 1 << 14,
};

int32_t thimble_landlock_version(void) {
  long r = syscall(444 /* landlock_create_ruleset */, NULL, 0L, 1L /* LANDLOCK_CREATE_RULESET_VERSION */);
  return r < 0 ? -errno : (int32_t)r;
}

static uint64_t handled(int32_t version) {
  uint64_t access = landlock_execute | landlock_write_file | landlock_read_file | landlock_read_directory | landlock_entries;
  if (version >= 2) access |= landlock_refer;
  if (version >= 3) access |= landlock_truncate;
  return access;
}

int32_t thimble_landlock_create(int32_t version) {
  uint64_t access = handled(version);
  long r = syscall(444, &access, sizeof access, 0L);
  return r < 0 ? -errno : (int32_t)r;
}

int32_t thimble_landlock_allow(int32_t ruleset, int32_t version, const char *path, bool writes) {
  int directory = open(path, O_PATH | O_CLOEXEC);
  if (directory < 0) return -errno;
  uint64_t access = landlock_read_file | landlock_read_directory;
  if (writes) access = handled(version) & ~(uint64_t)landlock_execute;
  struct { uint64_t access; int32_t parent; } __attribute__((packed)) rule = {access, directory};
  long r = syscall(445 /* landlock_add_rule */, (long)ruleset, 1L /* LANDLOCK_RULE_PATH_BENEATH */, &rule, 0L);
  int32_t status = r < 0 ? -errno : 0;
  if (status == -EINVAL) {
    // Only what a file has, where it is no directory.
    rule.access &= landlock_write_file | landlock_read_file | landlock_truncate;
    r = syscall(445, (long)ruleset, 1L, &rule, 0L);
    status = r < 0 ? -errno : 0;
  }
  close(directory);
  return status;
}

int32_t thimble_landlock_enter(int32_t ruleset) {
  long r = syscall(446 /* landlock_restrict_self */, (long)ruleset, 0L);
  int32_t status = r < 0 ? -errno : 0;
  close(ruleset);
  return status;
}
