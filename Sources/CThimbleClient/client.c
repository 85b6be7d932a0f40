#include "client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { timeout_milliseconds_default = 60000, buffer_count_default = 1 << 16, buffer_count_min = 4096 };

thimble_client *thimble_client_open(const char *socket_path, const thimble_client_options *options) {
  thimble_client_options chosen = options ? *options : (thimble_client_options){0};
  size_t path_count = strlen(socket_path);
  if (chosen.buffer_byte_count == 0) chosen.buffer_byte_count = buffer_count_default;
  if (chosen.buffer_byte_count < buffer_count_min) chosen.buffer_byte_count = buffer_count_min;
  if (path_count == 0 || path_count >= sizeof((struct sockaddr_un *)0)->sun_path) return errno = ENAMETOOLONG, NULL;
  if (chosen.buffer_byte_count > SIZE_MAX / 4) return errno = ENOMEM, NULL;
  thimble_client *client = calloc(1, sizeof *client + 2 * chosen.buffer_byte_count);
  if (!client) return NULL;
  client->address.sun_family = AF_UNIX;
  memcpy(client->address.sun_path, socket_path, path_count);
  client->socket = -1;
  client->timeout_milliseconds = chosen.timeout_milliseconds ? chosen.timeout_milliseconds : timeout_milliseconds_default;
  client->buffer_count = chosen.buffer_byte_count;
  client->request = (char *)(client + 1);
  client->answer = client->request + client->buffer_count;
  tc_begin(client);
  return client;
}

void thimble_client_close(thimble_client *client) {
  if (!client) return;
  tc_disconnect(client);
  for (size_t i = 0; i < client->region_count; i++) {
    if (client->regions[i].descriptor < 0) continue;
    munmap(client->regions[i].bytes, client->regions[i].byte_count);
    close(client->regions[i].descriptor);
  }
  free(client);
}

const char *thimble_client_message(const thimble_client *client) { return client->message; }
int thimble_client_http_status(const thimble_client *client) { return client->http_status; }
int thimble_client_retry_after_seconds(const thimble_client *client) { return client->retry_after_seconds; }

thimble_client_status tc_fail(thimble_client *client, thimble_client_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(client->message, sizeof client->message, format, arguments);
  va_end(arguments);
  return status;
}

thimble_client_status tc_not_understood(thimble_client *client, const char *what) {
  tc_disconnect(client);
  return tc_fail(client, THIMBLE_CLIENT_MALFORMED, "the daemon's answer is not understood: %s", what);
}

void tc_begin(thimble_client *client) {
  client->message[0] = 0;
  client->http_status = 0;
  client->retry_after_seconds = -1;
  client->deadline_milliseconds = tc_now_milliseconds() + client->timeout_milliseconds;
}

bool tc_is_name(const char *name) { return name && name[0] && strlen(name) < THIMBLE_CLIENT_NAME_SIZE; }

// --- Calls without tensors

// Asks, has the answer read and lets go of it.
static thimble_client_status call(thimble_client *client, const tc_request *request) {
  for (const char *const *part = request->path; *part; part++)
    if (!tc_is_name(*part)) return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "a name is empty or has more than 127 bytes");
  return tc_exchange(client, request);
}

thimble_client_status thimble_client_is_ready(thimble_client *client, const char *model, bool *ready) {
  tc_begin(client);
  *ready = false;
  tc_request request = {"GET", {"v2", "health", "ready"}, .descriptor = -1};
  if (model) request = (tc_request){"GET", {"v2", "models", model, "ready"}, .descriptor = -1};
  thimble_client_status status = call(client, &request);
  if (status == THIMBLE_CLIENT_OK) {
    tc_end(client);
    *ready = true;
  } else if (status == THIMBLE_CLIENT_REFUSED) {
    tc_begin(client);
    return THIMBLE_CLIENT_OK;
  }
  return status;
}

thimble_client_status thimble_client_models(thimble_client *client, char *names, size_t capacity, size_t *count) {
  tc_begin(client);
  *count = 0;
  thimble_client_status status = call(client, &(tc_request){"GET", {"v2", "models"}, .descriptor = -1});
  if (status != THIMBLE_CLIENT_OK) return status;
  tc_end(client);
  return tc_answer_models(client, names, capacity, count);
}

thimble_client_status thimble_client_metadata(
    thimble_client *client, const char *model, const char *version, thimble_client_model *metadata) {
  tc_begin(client);
  *metadata = (thimble_client_model){.name = ""};
  // An empty name would end the path.
  if (!tc_is_name(model)) return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "a model has a name of 1 to 127 bytes");
  tc_request request = {"GET", {"v2", "models", model, version ? "versions" : NULL, version}, .descriptor = -1};
  thimble_client_status status = call(client, &request);
  if (status != THIMBLE_CLIENT_OK) return status;
  tc_end(client);
  return tc_answer_metadata(client, metadata);
}

static thimble_client_status repository(thimble_client *client, const char *model, const char *verb) {
  tc_begin(client);
  if (!tc_is_name(model)) return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "a model has a name of 1 to 127 bytes");
  thimble_client_status status =
      call(client, &(tc_request){"POST", {"v2", "repository", "models", model, verb}, "{}", 2, .descriptor = -1});
  if (status == THIMBLE_CLIENT_OK) tc_end(client);
  return status;
}

thimble_client_status thimble_client_load(thimble_client *client, const char *model) { return repository(client, model, "load"); }
thimble_client_status thimble_client_unload(thimble_client *client, const char *model) {
  return repository(client, model, "unload");
}
