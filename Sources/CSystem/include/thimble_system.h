// The system calls Thimble makes, for Swift: every function returns a value ≥ 0 or −errno. Restarting after EINTR is the
// caller's decision (`System.retrying`) unless the comment says otherwise.
//
// Only freestanding headers, so that it imports under any triple, the Embedded ones included.
#ifndef THIMBLE_SYSTEM_H
#define THIMBLE_SYSTEM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#else
#define _Nullable
#define _Nonnull
#endif

// --- files
typedef struct {
  int64_t byte_count;
  int64_t modified_nanoseconds;
  uint64_t device, inode;
  uint32_t user;
  bool is_directory, is_regular, is_socket;
} thimble_file_status;

int32_t thimble_open_read(const char *path);  // does not wait for a pipe's writer: one without a writer is empty
int32_t thimble_open_locked(const char *path, uint32_t mode);  // creates; −EWOULDBLOCK where another holds the lock
int32_t thimble_create_file(const char *path, uint32_t mode);  // truncates
int32_t thimble_create_memory_file(const char *name);          // memfd
int32_t thimble_truncate(int32_t fd, int64_t byte_count);
int32_t thimble_open_append(const char *path, uint32_t mode);   // creates; reads too
// A memfd of a size that can change no more (F_SEAL_SHRINK, F_SEAL_GROW).
int32_t thimble_create_sealed_memory_file(const char *name, int64_t byte_count);
int32_t thimble_create_in_memory_at(const char *path, int64_t byte_count);  // only the owner's; −EEXIST where it exists
bool thimble_is_writable(int32_t fd);  // open for reading and writing
int32_t thimble_seals(int32_t fd);  // F_SEAL_…; −EINVAL where it is no memfd of ordinary pages
// For reading and writing, without following a link or waiting. −EOPNOTSUPP where it is not in memory (tmpfs or ramfs).
int32_t thimble_open_in_memory(const char *path);
int32_t thimble_duplicate(int32_t fd);                         // the same open file, closed on exec
int32_t thimble_close(int32_t fd);
int64_t thimble_read(int32_t fd, void *buffer, size_t count);
int64_t thimble_read_at(int32_t fd, void *buffer, size_t count, int64_t offset);
int64_t thimble_write(int32_t fd, const void *buffer, size_t count);
int64_t thimble_write_at(int32_t fd, const void *buffer, size_t count, int64_t offset);
int32_t thimble_sync(int32_t fd);
int32_t thimble_forget_cached(int32_t fd);  // POSIX_FADV_DONTNEED
int32_t thimble_status(const char *path, thimble_file_status *status);
int32_t thimble_status_of(int32_t fd, thimble_file_status *status);
int32_t thimble_rename(const char *from, const char *to);
int32_t thimble_unlink(const char *path);
int32_t thimble_remove_directory(const char *path);
int32_t thimble_create_directory(const char *path, uint32_t mode);
bool thimble_is_terminal(int32_t fd);

// Directory listing: an opaque handle; next returns 1 with a name that lives until the next call, 0 at the end.
void *_Nullable thimble_directory_open(const char *path, int32_t *error);
int32_t thimble_directory_next(void *directory, const char *_Nullable *_Nonnull name);
void thimble_directory_close(void *directory);

// --- memory
void *_Nullable thimble_map_file(int32_t fd, size_t count, int32_t *error);         // read-only, private
void *_Nullable thimble_map_shared(int32_t fd, int64_t offset, size_t count, bool is_writable, int32_t *error);
void *_Nullable thimble_map_anonymous(size_t count, int32_t *error);                // zeroed, private
int32_t thimble_unmap(void *base, size_t count);
int32_t thimble_release_pages(void *base, size_t count);       // MADV_DONTNEED
int32_t thimble_set_pages_apart(void *base, size_t count);     // MADV_RANDOM: a mapping of its own, see Process.letGo
int32_t thimble_populate_pages(const void *base, size_t count);  // MADV_POPULATE_READ; -EINVAL before Linux 5.14
size_t thimble_page_byte_count(void);
// From here on a page of the region that cannot be read (SIGBUS) makes the whole region zeros and is counted, instead of ending
// the process; what is written to one that may be written to goes to those zeros. Returns the region's number; −EMFILE where there
// are 1024 already. Unguard before unmapping.
int32_t thimble_guard_region(void *base, size_t count, bool is_writable);
void thimble_unguard_region(int32_t region);
// What the first region would do otherwise: for a process that may not later.
int32_t thimble_prepare_guards(void);
uint32_t thimble_region_fault_count(int32_t region);
void thimble_configure_allocator(void);  // one arena and prompt trimming where libc has the choice

// --- sockets
int32_t thimble_listen(const char *path, int32_t backlog, uint32_t mode);  // Unix stream, non-blocking
int32_t thimble_listen_tcp(uint32_t host, uint16_t port, int32_t backlog);  // IPv4, non-blocking; 127.0.0.1 is 0x7F000001
int32_t thimble_connect(const char *path, int32_t timeout_milliseconds);  // of each later call too; 0: none
int32_t thimble_connect_at_once(const char *path);  // non-blocking: −EAGAIN where the listener's queue is full
int32_t thimble_accept(int32_t fd);                                        // non-blocking
int64_t thimble_receive(int32_t fd, void *buffer, size_t count);
// The same; a descriptor that comes along (SCM_RIGHTS) is in `passed`, else −1 is. Of several the first; the others are closed.
int64_t thimble_receive_passed(int32_t fd, void *buffer, size_t count, int32_t *passed);
int64_t thimble_peer_user(int32_t fd);  // SO_PEERCRED: the user who connected
// The groups of a Unix socket's peer, the first its own; returns how many of at most `count`.
int32_t thimble_peer_groups(int32_t fd, uint32_t *groups, int32_t count);
typedef struct {
  uint32_t own_host, peer_host;  // as in memory
  uint16_t own_port, peer_port;
} thimble_connection;
int32_t thimble_connection_of(int32_t fd, thimble_connection *connection);  // −EAFNOSUPPORT where it is not TCP over IPv4
int32_t thimble_listening_port(int32_t fd);
typedef struct {
  const void *_Nullable base;
  size_t count;
} thimble_bytes;
int64_t thimble_send(int32_t fd, const thimble_bytes *parts, size_t count);  // no SIGPIPE
int64_t thimble_send_passing(int32_t fd, const thimble_bytes *parts, size_t count, int32_t passed);  // −1: no descriptor
int32_t thimble_socket_pair(int32_t fds[_Nonnull 2]);

// --- event loop
typedef struct {
  uint32_t events;
  uint64_t token;
} thimble_event;
enum {
  THIMBLE_READABLE = 1, THIMBLE_PRIORITY = 2, THIMBLE_WRITABLE = 4, THIMBLE_ERROR = 8, THIMBLE_HANG_UP = 16,
  THIMBLE_PEER_CLOSED = 0x2000
};
int32_t thimble_poll_create(void);
int32_t thimble_poll_add(int32_t poll, int32_t fd, uint32_t events, uint64_t token);
int32_t thimble_poll_change(int32_t poll, int32_t fd, uint32_t events, uint64_t token);
int32_t thimble_poll_remove(int32_t poll, int32_t fd);
int32_t thimble_poll_wait(int32_t poll, thimble_event *events, int32_t count, int32_t timeout_milliseconds);
int32_t thimble_event_create(void);
int32_t thimble_event_signal(int32_t fd);
int32_t thimble_event_clear(int32_t fd);
// Blocks SIGTERM and SIGINT in this thread, and SIGHUP where it is taken; reads give their numbers.
int32_t thimble_signals_create(bool takes_hang_up);
int32_t thimble_signals_read(int32_t fd);

// --- the service manager
int32_t thimble_datagrams_create(void);  // an unconnected Unix datagram socket
// Sends one datagram; a path that begins with @ is in the abstract namespace. −EAGAIN: it would have to wait and must not.
int64_t thimble_send_datagram(int32_t fd, const char *path, const void *bytes, size_t count, bool waits);
// Makes a descriptor from the parent process this one's own: closed on exec, non-blocking. −EINVAL: it is no Unix stream
// socket that listens.
int32_t thimble_adopt_listener(int32_t fd);
// The path that the socket is bound to: at most 108 bytes with the zero; empty where it has none.
int32_t thimble_socket_path(int32_t fd, char *path, size_t count);

// --- memory pressure: the kernel's own notices
// Opens for reading and writing, and writes the text, if any: a pressure trigger, which then reports THIMBLE_PRIORITY.
int32_t thimble_open_trigger(const char *path, const void *_Nullable text, size_t count);
int32_t thimble_open_write(const char *path);    // does not create
int32_t thimble_watch_create(const char *path);  // inotify: readable once the file is modified
int32_t thimble_watch_add(int32_t fd, const char *path);  // another file
int32_t thimble_watch_directory(const char *path);  // files that are put there whole, or go
int32_t thimble_watch_more(int32_t fd, const char *path);  // the same of another folder, and what is made in it; replaces an earlier watch
int32_t thimble_poll_now(int32_t fd, uint32_t events);  // the events that are there, without waiting

// --- netlink: what the kernel tells of devices and heat
enum { THIMBLE_NETLINK_UEVENTS = 15, THIMBLE_NETLINK_GENERIC = 16 };
int32_t thimble_netlink_open(int32_t protocol, uint32_t groups);  // non-blocking
int32_t thimble_netlink_join(int32_t fd, uint32_t group);
// The next message, cut to the buffer; 0 for one that the kernel has not sent. −EAGAIN: there is none; −ENOBUFS: some were lost.
int64_t thimble_netlink_receive(int32_t fd, void *buffer, size_t count);

// --- threads
typedef struct {
  uintptr_t handle;
} thimble_thread;
typedef void (*thimble_thread_body)(void *_Nullable);
int32_t thimble_thread_start(thimble_thread *out, thimble_thread_body body, void *_Nullable context, size_t stack_byte_count);
int32_t thimble_thread_join(thimble_thread thread);
int32_t thimble_futex_wait(const void *word, uint32_t expected, int64_t timeout_nanoseconds);  // −1: no timeout
int32_t thimble_futex_wake(const void *word, int32_t count);
void thimble_spin_hint(void);
int32_t thimble_usable_processors(void);  // sched_getaffinity
// The same of the process's first thread, one bit a processor; the count of words that were filled.
int32_t thimble_usable_processor_bits(uint64_t *words, int32_t count);
// The calling thread runs on these from now on; on those that the process was started on where there are none.
uint32_t thimble_thread_placement(void);  // a word of the calling thread's own
void thimble_thread_set_placement(uint32_t number);
int32_t thimble_thread_run_on(const int32_t *_Nullable processors, int32_t count);

// --- process
int64_t thimble_now_nanoseconds(void);          // monotonic
int64_t thimble_wall_clock_milliseconds(void);  // since 1970
int64_t thimble_process_cpu_nanoseconds(void);
int64_t thimble_involuntary_switch_count(void);  // of all threads of this process
int64_t thimble_physical_memory_byte_count(void);
int32_t thimble_process_id(void);
uint32_t thimble_effective_user(void);
void thimble_mark(int32_t mark);  // a system call without effect that a tracing emulator recognises
int32_t thimble_argument_count(void);
const char *_Nullable thimble_argument(int32_t index);
const char *_Nullable thimble_environment(const char *name);
const char *thimble_error_text(int32_t error_number);
// A program started with this one's own binary; returns its process id. arguments ends with null.
int32_t thimble_start_process(const char *path, const char *_Nullable const *_Nonnull arguments);
// The same with its standard input and output at the other ends of a socket, which is returned in `fd`, closed on exec.
int32_t thimble_start_talking_process(const char *path, const char *_Nullable const *_Nonnull arguments, int32_t *fd);
int32_t thimble_terminate_process(int32_t process_id);
// Exit status, or 128 + signal; −EAGAIN while it runs, where the call does not block.
int32_t thimble_wait_process(int32_t process_id, bool blocks);
// Where code lies that `targets/code-order.lds` has put aside: the tools', then the commands' that compute. All 0 in a program
// that was linked without it.
typedef struct {
  uintptr_t tools_begin, commands_begin, commands_end;
} thimble_code_aside;
thimble_code_aside thimble_find_code_aside(void);
_Noreturn void thimble_exit(int32_t status);
_Noreturn void thimble_abort(const char *message);  // says it on stderr first: Embedded release builds drop trap messages

// --- what a process gives up for good: 0 or −errno
int32_t thimble_forbid_new_privileges(void);
int32_t thimble_drop_capabilities(void);  // of the calling thread, and of those that it starts
// Name or number; without a group the user's own. −ENOENT: no such user; −ESRCH: no such group.
int32_t thimble_find_user(const char *user, const char *_Nullable group, uint32_t *uid, uint32_t *gid);
int32_t thimble_become_user(uint32_t uid, uint32_t gid);  // all threads, without supplementary groups
uint32_t thimble_user(void);
uint32_t thimble_group(void);
int32_t thimble_give_file(const char *path, uint32_t uid, uint32_t gid);
const char *_Nullable thimble_allowed_call(int32_t index);  // names, in order
int32_t thimble_filter_calls(void);                         // all threads; what is not allowed fails with EPERM
int32_t thimble_try_forbidden_calls(void);                  // 0: all were refused
int32_t thimble_landlock_version(void);
int32_t thimble_landlock_create(int32_t version);  // a descriptor, which `enter` closes
int32_t thimble_landlock_allow(int32_t ruleset, int32_t version, const char *path, bool writes);
int32_t thimble_landlock_enter(int32_t ruleset);  // the calling thread, and those that it starts
// Opens a file of a directory for reading; −EXDEV: a link leads out of it.
int32_t thimble_open_beneath(const char *directory, const char *path);

// --- numbers
int32_t thimble_format_double(double value, int32_t digits, char *out, size_t count);  // %.*f

// --- processor features, as far as the kernels ask
enum {
  THIMBLE_CPU_AVX2 = 1,       // AVX2 and FMA
  THIMBLE_CPU_VNNI = 2,       // AVX-512 F, BW, DQ, VL, VNNI
  THIMBLE_CPU_NEON = 4,
  THIMBLE_CPU_DOTPROD = 8,
  THIMBLE_CPU_I8MM = 16,
};
uint32_t thimble_cpu_features(void);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
#endif
