// A qemu-user plugin (API version 1) that counts what an aarch64 program executes between two marks, and what its caches miss.
//
// The program marks with getpgid(0x4D4B0000 | mark): 2 before it warms up, 0 where counting begins, 1 where it ends. Written at
// the end: OUT, records { u64 address, u64 times, u32 n, u32 words[n] } of translated blocks, and OUT.txt, a name and a number
// a line. Arguments: out=FILE; cache=1 for the memory figures, which take ten times as long.
//
// The cache model: set associative, least recently used, 64-byte lines, write allocate, no prefetcher; 64 KiB 4 ways for data
// and for instructions, 512 KiB 8 ways behind both (Cortex-A76's).
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What this uses of qemu's plugin interface; Debian packages no header for it.
#define EXPORT __attribute__((visibility("default")))
typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
void qemu_plugin_reset(plugin_id, void (*)(plugin_id));
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int flags, void *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *, uint64_t);
void qemu_plugin_register_vcpu_mem_cb(
    struct qemu_plugin_insn *, void (*)(unsigned, uint32_t info, uint64_t address, void *), int flags, int rw, void *);
void qemu_plugin_register_vcpu_syscall_cb(
    plugin_id, void (*)(plugin_id, unsigned, int64_t number, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
unsigned qemu_plugin_mem_size_shift(uint32_t info);
bool qemu_plugin_mem_is_store(uint32_t info);
enum { NO_REGISTERS = 0, READS_AND_WRITES = 3, ADD = 0, GETPGID = 155 };

EXPORT int qemu_plugin_version = 1;

// --- executed blocks
typedef struct block {
  struct block *next;
  uint64_t address, times, hash;
  uint32_t count;
  uint32_t words[];
} block;
enum { BUCKETS = 1 << 16 };
static block *buckets[BUCKETS];

static block *block_of(uint64_t address, const uint32_t *words, uint32_t count) {
  uint64_t hash = address * 0x9E3779B97F4A7C15;
  for (uint32_t i = 0; i < count; i++) hash = (hash ^ words[i]) * 0x100000001B3;
  block **bucket = &buckets[hash >> 20 & (BUCKETS - 1)], *b = *bucket;
  while (b && (b->hash != hash || b->address != address || b->count != count)) b = b->next;
  if (b) return b;
  b = malloc(sizeof *b + 4 * count);
  *b = (block){.next = *bucket, .address = address, .hash = hash, .count = count};
  memcpy(b->words, words, 4 * count);
  return *bucket = b;
}

// --- caches
typedef struct {
  uint32_t sets, ways;
  uint64_t *lines;  // [sets][ways], the latest first; a line's number plus 1
  uint64_t misses;
} cache;
static cache data_cache, code_cache, second_cache;
static uint64_t loaded, stored;
static bool models_caches, is_warming_up, is_counting = true;

static void make_cache(cache *c, uint32_t bytes, uint32_t ways) {
  *c = (cache){.sets = bytes / 64 / ways, .ways = ways, .lines = calloc(bytes / 64, 8)};
}
static bool hits(cache *c, uint64_t line) {
  uint64_t *set = c->lines + (size_t)(line % c->sets) * c->ways;
  uint32_t way = 0;
  while (way < c->ways && set[way] != line + 1) way++;
  bool hit = way < c->ways;
  if (!hit) way = c->ways - 1, c->misses++;
  memmove(set + 1, set, way * 8);
  set[0] = line + 1;
  return hit;
}
static void touch(cache *first, uint64_t from, uint64_t to) {
  for (uint64_t line = from >> 6; line <= to >> 6; line++)
    if (!hits(first, line)) hits(&second_cache, line);
}
static void on_access(unsigned processor, uint32_t info, uint64_t address, void *unused) {
  (void)processor, (void)unused;
  if (!is_counting) return;
  uint32_t size = 1u << qemu_plugin_mem_size_shift(info);
  *(qemu_plugin_mem_is_store(info) ? &stored : &loaded) += size;
  touch(&data_cache, address, address + size - 1);
}
static void on_block(unsigned processor, void *opaque) {
  (void)processor;
  const block *b = opaque;
  if (is_counting) touch(&code_cache, b->address, b->address + 4 * b->count - 1);
}

// --- marks
static char path[512] = "counts";

static void begin(void) {
  for (uint32_t i = 0; i < BUCKETS; i++)
    for (block *b = buckets[i]; b; b = b->next) b->times = 0;
  data_cache.misses = code_cache.misses = second_cache.misses = loaded = stored = 0;
  is_counting = true;
}
static void end(void) {
  uint64_t total = 0;
  FILE *file = fopen(path, "wb");
  if (!file) abort();
  for (uint32_t i = 0; i < BUCKETS; i++) {
    for (block *b = buckets[i]; b; b = b->next) {
      if (!b->times) continue;
      fwrite(&b->address, 8, 1, file), fwrite(&b->times, 8, 1, file), fwrite(&b->count, 4, 1, file);
      fwrite(b->words, 4, b->count, file);
      total += b->times * b->count;
    }
  }
  fclose(file);
  file = fopen(strcat(path, ".txt"), "w");
  if (!file) abort();
  fprintf(file, "instructions %llu\n", (unsigned long long)total);
  if (models_caches)
    fprintf(
        file, "loaded_bytes %llu\nstored_bytes %llu\nl1d_misses %llu\nl1i_misses %llu\nl2_misses %llu\n", (unsigned long long)loaded,
        (unsigned long long)stored, (unsigned long long)data_cache.misses, (unsigned long long)code_cache.misses,
        (unsigned long long)second_cache.misses);
  fclose(file);
  is_counting = false;
}

static void on_translation(plugin_id plugin, struct qemu_plugin_tb *tb) {
  (void)plugin;
  size_t count = qemu_plugin_tb_n_insns(tb);
  uint32_t words[count];
  for (size_t i = 0; i < count; i++) memcpy(&words[i], qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i)), 4);
  block *b = block_of(qemu_plugin_tb_vaddr(tb), words, (uint32_t)count);
  qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD, &b->times, 1);
  if (!models_caches || !is_warming_up) return;
  qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, NO_REGISTERS, b);
  for (size_t i = 0; i < count; i++)
    qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i), on_access, NO_REGISTERS, READS_AND_WRITES, NULL);
}
static void start(plugin_id plugin);
static void on_system_call(
    plugin_id plugin, unsigned processor, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
    uint64_t a7, uint64_t a8) {
  (void)processor, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (number != GETPGID) return;
  if (a1 == 0x4D4B0000) begin();
  if (a1 == 0x4D4B0001) end();
  if (a1 == 0x4D4B0002 && models_caches && !is_warming_up) {
    // Start-up ran without the costly calls; blocks are translated again with them.
    is_warming_up = true;
    qemu_plugin_reset(plugin, start);
  }
}
static void start(plugin_id plugin) {
  qemu_plugin_register_vcpu_tb_trans_cb(plugin, on_translation);
  qemu_plugin_register_vcpu_syscall_cb(plugin, on_system_call);
}

EXPORT int qemu_plugin_install(plugin_id plugin, const void *info, int count, char **arguments) {
  (void)info;
  for (int i = 0; i < count; i++) {
    if (!strncmp(arguments[i], "out=", 4) && strlen(arguments[i]) < sizeof path - 4) strcpy(path, arguments[i] + 4);
    else if (!strcmp(arguments[i], "cache=1")) models_caches = true;
    else return fprintf(stderr, "counter: does not know %s\n", arguments[i]), -1;
  }
  make_cache(&data_cache, 64 << 10, 4);
  make_cache(&code_cache, 64 << 10, 4);
  make_cache(&second_cache, 512 << 10, 8);
  start(plugin);
  return 0;
}
