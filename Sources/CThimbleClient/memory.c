#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

const tc_region *tc_region_of(const thimble_client *client, const void *bytes, size_t byte_count) {
  uintptr_t start = (uintptr_t)bytes;
  for (size_t i = 0; i < client->region_count; i++) {
    uintptr_t base = (uintptr_t)client->regions[i].bytes;
    size_t size = client->regions[i].byte_count;
    if (start >= base && start - base <= size && byte_count <= size - (start - base)) return &client->regions[i];
  }
  return NULL;
}

void tc_region_request(const tc_region *region, tc_writer *json, tc_request *request) {
  tc_write(json, "{\"byte_size\":");
  tc_write_integer(json, (int64_t)region->byte_count);
  tc_write(json, "}");
  *request = (tc_request){"POST",         {"v2", "thimble", "memory", "region", region->name, "register"},
                          json->bytes,    json->count,
                          .descriptor = region->descriptor};
}

// Whether a region of this name and size can be added.
static thimble_client_status check(thimble_client *client, const char *name, size_t byte_count) {
  if (!tc_is_name(name)) return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "a region has a name of 1 to 127 bytes");
  if (byte_count == 0 || byte_count > INT64_MAX) return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "a region of %zu bytes", byte_count);
  if (client->region_count == THIMBLE_CLIENT_REGIONS_MAX)
    return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "a client shares %d regions at most", THIMBLE_CLIENT_REGIONS_MAX);
  for (size_t i = 0; i < client->region_count; i++)
    if (strcmp(client->regions[i].name, name) == 0)
      return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "there is a region %s already", name);
  return THIMBLE_CLIENT_OK;
}

// Registers a region that stands behind the others of the client, and keeps it where the daemon takes it.
static thimble_client_status add(thimble_client *client, const tc_request *request) {
  thimble_client_status status = tc_exchange(client, request);
  if (status != THIMBLE_CLIENT_OK) return status;
  client->region_count++;
  tc_end(client);
  return status;
}

static void drop(tc_region *region) {
  if (region->descriptor < 0) return;
  munmap(region->bytes, region->byte_count);
  close(region->descriptor);
}

thimble_client_status thimble_client_share(thimble_client *client, const char *name, size_t byte_count, void **bytes) {
  tc_begin(client);
  *bytes = NULL;
  thimble_client_status status = check(client, name, byte_count);
  if (status != THIMBLE_CLIENT_OK) return status;
  tc_region *region = &client->regions[client->region_count];
  memcpy(region->name, name, strlen(name) + 1);
  region->byte_count = byte_count;
  region->descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  void *mapped = MAP_FAILED;
  if (region->descriptor >= 0 && ftruncate(region->descriptor, (off_t)byte_count) == 0 &&
      fcntl(region->descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
    mapped = mmap(NULL, byte_count, PROT_READ | PROT_WRITE, MAP_SHARED, region->descriptor, 0);
  if (mapped == MAP_FAILED) {
    int error = errno;
    if (region->descriptor >= 0) close(region->descriptor);
    return tc_fail(client, THIMBLE_CLIENT_MEMORY, "no memory of %zu bytes to share: %s", byte_count, strerror(error));
  }
  region->bytes = mapped;
  char json_bytes[tc_registration_size];
  tc_writer json = {json_bytes, sizeof json_bytes, 0, false};
  tc_request request;
  tc_region_request(region, &json, &request);
  status = add(client, &request);
  if (status == THIMBLE_CLIENT_OK)
    *bytes = mapped;
  else
    drop(region);
  return status;
}

thimble_client_status thimble_client_share_system(
    thimble_client *client, const char *name, const char *key, size_t offset, void *bytes, size_t byte_count) {
  tc_begin(client);
  thimble_client_status status = check(client, name, byte_count);
  if (status != THIMBLE_CLIENT_OK) return status;
  if (!key || !bytes || offset > INT64_MAX) return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "no key, no bytes, or an offset too large");
  tc_region *region = &client->regions[client->region_count];
  *region = (tc_region){.bytes = bytes, .byte_count = byte_count, .descriptor = -1};
  memcpy(region->name, name, strlen(name) + 1);
  tc_writer json = {client->request, client->buffer_count, 0, false};
  tc_write(&json, "{\"key\":");
  tc_write_string(&json, key);
  tc_write(&json, ",\"offset\":");
  tc_write_integer(&json, (int64_t)offset);
  tc_write(&json, ",\"byte_size\":");
  tc_write_integer(&json, (int64_t)byte_count);
  tc_write(&json, "}");
  if (json.failed) return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "the key has %zu bytes", strlen(key));
  return add(
      client, &(tc_request){"POST", {"v2", "systemsharedmemory", "region", region->name, "register"}, json.bytes, json.count,
                            .descriptor = -1});
}

thimble_client_status thimble_client_unshare(thimble_client *client, const char *name) {
  tc_begin(client);
  size_t i = 0;
  while (name && i < client->region_count && strcmp(client->regions[i].name, name) != 0) i++;
  if (!name || i == client->region_count)
    return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "there is no region %s", name ? name : "without a name");
  tc_region region = client->regions[i];
  // First, so that a new connection does not pass it again.
  client->regions[i] = client->regions[--client->region_count];
  tc_request request = {"POST", {"v2", "thimble", "memory", "region", region.name, "unregister"}, "{}", 2, .descriptor = -1};
  if (region.descriptor < 0)
    request = (tc_request){"POST", {"v2", "systemsharedmemory", "region", region.name, "unregister"}, "{}", 2, .descriptor = -1};
  thimble_client_status status = tc_exchange(client, &request);
  if (status == THIMBLE_CLIENT_OK) tc_end(client);
  drop(&region);
  return status;
}
