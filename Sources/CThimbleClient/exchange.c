#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

// How an attempt ended; only the first of these may be tried again over a new connection.
typedef enum { no_answer, ended } outcome;

void tc_disconnect(thimble_client *client) {
  if (client->socket >= 0) close(client->socket);
  client->socket = -1;
  client->rest_count = client->early_count = 0;
}

void tc_end(thimble_client *client) {
  if (!client->keeps_alive || client->rest_count > 0) tc_disconnect(client);
}

// Drops the connection and says why.
static thimble_client_status broken(thimble_client *client, int error) {
  tc_disconnect(client);
  const char *path = client->address.sun_path;
  if (error == ETIMEDOUT)
    return tc_fail(
        client, THIMBLE_CLIENT_TIMEOUT, "the daemon at %s did not answer within %u ms", path, client->timeout_milliseconds);
  return tc_fail(
      client, THIMBLE_CLIENT_DISCONNECTED, "the daemon at %s closed the connection (%s): it was stopped, or serves too many clients",
      path, error == 0 ? "end of stream" : strerror(error));
}

static thimble_client_status not_reached(thimble_client *client, int error) {
  const char *path = client->address.sun_path;
  if (error == ETIMEDOUT) return broken(client, error);
  if (error == ENOENT || error == ECONNREFUSED)
    return tc_fail(
        client, THIMBLE_CLIENT_NO_SERVER, "no daemon listens at %s: start one with `thimble serve --models DIR --socket %s`", path,
        path);
  return tc_fail(client, THIMBLE_CLIENT_NO_SERVER, "cannot connect to %s: %s", path, strerror(error));
}

static void write_head(const tc_request *request, tc_writer *head) {
  tc_write(head, request->method);
  tc_write(head, " ");
  for (const char *const *part = request->path; *part; part++) {
    tc_write(head, "/");
    tc_write_quoted(head, *part);
  }
  size_t body_count = request->json_count;
  for (size_t i = 0; i < request->tensor_count; i++) body_count += request->tensors[i].iov_len;
  tc_write(head, " HTTP/1.1\r\nHost: localhost\r\nContent-Length: ");
  tc_write_integer(head, (int64_t)body_count);
  if (request->tensor_count > 0) {
    tc_write(head, "\r\nInference-Header-Content-Length: ");
    tc_write_integer(head, (int64_t)request->json_count);
  }
  tc_write(head, request->json_count > 0 ? "\r\nContent-Type: application/json\r\n\r\n" : "\r\n\r\n");
}

// --- Receiving

// Receives until `received` bytes are at least `wanted` in the answer's buffer, whose size is no less.
static ssize_t receive_to(thimble_client *client, size_t *received, size_t wanted) {
  while (*received < wanted) {
    ssize_t r = tc_receive(client, client->answer + *received, client->buffer_count - *received);
    if (r <= 0) return r;
    *received += (size_t)r;
  }
  return 1;
}

// Receives heads until one is final. It stands at `start`; `received` counts what the buffer holds.
static thimble_client_status receive_head(
    thimble_client *client, tc_head *head, size_t *start, size_t *received, outcome *how) {
  for (;;) {
    size_t count = tc_head_count(client->answer + *start, *received - *start);
    if (count > 0) {
      if (!tc_head_parse(client->answer + *start, count, head)) return tc_not_understood(client, "its head is malformed");
      *start += count;
      if (head->status >= 200) return THIMBLE_CLIENT_OK;
      continue;
    }
    if (*received == client->buffer_count) return tc_not_understood(client, "its head does not end");
    ssize_t r = receive_to(client, received, *received + 1);
    if (r <= 0) {
      *how = *received == 0 && r != -ETIMEDOUT ? no_answer : ended;
      return broken(client, (int)-r);
    }
  }
}

// The daemon's words, or the status where it has none.
static thimble_client_status refused(thimble_client *client, const tc_head *head) {
  client->http_status = head->status;
  client->retry_after_seconds = head->retry_after_seconds;
  tc_json json = tc_json_of(client->json, client->json_count);
  tc_text key, words;
  if (tc_json_open(&json, '{'))
    while (tc_json_key(&json, &key)) {
      bool found = tc_text_equals(key, "error") && tc_json_string(&json, &words);
      if (found && tc_text_copy(words, client->message, sizeof client->message, true) && client->message[0])
        return THIMBLE_CLIENT_REFUSED;
      if (!found) tc_json_skip(&json);
    }
  return tc_fail(client, THIMBLE_CLIENT_REFUSED, "the daemon refused with status %d", head->status);
}

static thimble_client_status receive_answer(thimble_client *client, outcome *how) {
  size_t start = 0, received = 0;
  tc_head head;
  thimble_client_status status = receive_head(client, &head, &start, &received, how);
  if (status != THIMBLE_CLIENT_OK) return status;
  size_t json_count = head.json_count != SIZE_MAX ? head.json_count : head.body_count;
  if (json_count > client->buffer_count - start) {
    tc_disconnect(client);
    if (head.status != 200) return client->json_count = 0, refused(client, &head);
    return tc_fail(
        client, THIMBLE_CLIENT_TOO_LARGE, "the answer's JSON has %zu bytes: open the client with buffer_byte_count of %zu or more",
        json_count, json_count < SIZE_MAX / 4 ? start + json_count : json_count);
  }
  ssize_t r = receive_to(client, &received, start + json_count);
  if (r <= 0) return broken(client, (int)-r);
  // Nothing may follow the body: nobody has asked for more.
  if (received - start > head.body_count) return tc_not_understood(client, "more follows than was asked for");
  client->json = client->answer + start;
  client->json_count = json_count;
  client->rest_count = head.body_count - json_count;
  client->early = client->json + json_count;
  client->early_count = received - start - json_count;
  client->keeps_alive = head.keeps_alive;
  if (head.status == 200) return THIMBLE_CLIENT_OK;
  status = refused(client, &head);
  tc_end(client);
  return status;
}

thimble_client_status tc_receive_rest(thimble_client *client, void *to, size_t count) {
  size_t early = count < client->early_count ? count : client->early_count;
  if (early > 0) memcpy(to, client->early, early);
  client->early += early;
  client->early_count -= early;
  client->rest_count -= early;
  for (size_t done = early; done < count;) {
    ssize_t r = tc_receive(client, (char *)to + done, count - done);
    if (r <= 0) return broken(client, (int)-r);
    done += (size_t)r;
    client->rest_count -= (size_t)r;
  }
  return THIMBLE_CLIENT_OK;
}

// --- Exchanges

// One request and its answer over the connection that is there.
static thimble_client_status attempt(thimble_client *client, const tc_request *request, outcome *how) {
  char bytes[tc_head_size];
  tc_writer head = {bytes, sizeof bytes, 0, false};
  write_head(request, &head);
  if (head.failed) return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "the names are too long: %zu bytes of head", head.count);
  struct iovec parts[2 + THIMBLE_CLIENT_TENSORS_MAX] = {{bytes, head.count}, {(char *)request->json, request->json_count}};
  for (size_t i = 0; i < request->tensor_count; i++) parts[2 + i] = request->tensors[i];
  ssize_t sent = tc_send(client, parts, 2 + request->tensor_count, request->descriptor);
  if (sent == -ETIMEDOUT) return broken(client, ETIMEDOUT);
  // A daemon that refuses a request in its middle answers before it closes: look for the answer in any case.
  return receive_answer(client, how);
}

// A new connection knows none of the memory that was passed over the old one. A refusal shows in the requests that name the region.
static thimble_client_status pass_again(thimble_client *client) {
  for (size_t i = 0; i < client->region_count; i++) {
    if (client->regions[i].descriptor < 0) continue;
    char bytes[tc_registration_size];
    tc_writer json = {bytes, sizeof bytes, 0, false};
    tc_request request;
    tc_region_request(&client->regions[i], &json, &request);
    outcome how;
    thimble_client_status status = attempt(client, &request, &how);
    if (status != THIMBLE_CLIENT_OK && status != THIMBLE_CLIENT_REFUSED) return status;
    tc_end(client);
    if (client->socket < 0) return broken(client, 0);
  }
  return THIMBLE_CLIENT_OK;
}

thimble_client_status tc_exchange(thimble_client *client, const tc_request *request) {
  if (client->socket >= 0) {
    outcome how = ended;
    thimble_client_status status = attempt(client, request, &how);
    if (status == THIMBLE_CLIENT_MALFORMED) tc_disconnect(client);
    if (how != no_answer) return status;
  }
  // The first connection, or the daemon has closed the kept one meanwhile.
  int error = -tc_connect(client);
  if (error != 0) return not_reached(client, error);
  thimble_client_status status = pass_again(client);
  outcome how;
  if (status == THIMBLE_CLIENT_OK) {
    client->http_status = 0;
    client->retry_after_seconds = -1;
    client->message[0] = 0;
    status = attempt(client, request, &how);
  }
  if (status == THIMBLE_CLIENT_MALFORMED) tc_disconnect(client);
  return status;
}
