// The C client reads mutated replies: hostile_replies [COUNT [SEED]]
//
// Each reply stands in a socket pair before the call; build it with the address and undefined-behaviour sanitizers. A call may end with
// any status, but must not touch memory that is not its own, must not wait, and must keep what it says within its buffers.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

// A reply of a daemon: what its head has beside the lengths, its JSON, the tensors behind it, and which call asks for it.
typedef struct {
  const char *head, *json, *tensors;
  int call;
} reply;
static const reply replies[] = {
    {"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n",
     "{\"model_name\":\"digits\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"probabilities\",\"datatype\":\"UINT8\",\"shape\":[1,10],"
     "\"parameters\":{\"binary_data_size\":10}}]}",
     "0123456789", 0},
    {"HTTP/1.1 200 OK\r\n",
     "{\"model_name\":\"digits\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"probabilities\",\"datatype\":\"BYTES\",\"shape\":[3],"
     "\"data\":[\"254:7:\\u00e9\\ud83d\\ude00\",\"1:3:3\",\"0.500000:1\"]}]}",
     "", 1},
    {"HTTP/1.1 200 OK\r\n",
     "{\"name\":\"digits\",\"versions\":[\"1\"],\"platform\":\"thimble\",\"inputs\":[{\"name\":\"image\",\"datatype\":\"UINT8\","
     "\"shape\":[1,8,8,1]}],\"outputs\":[{\"name\":\"probabilities\",\"datatype\":\"UINT8\",\"shape\":[1,10]}],\"x\":{\"y\":[]}}",
     "", 2},
    {"HTTP/1.1 200 OK\r\n", "{\"models\":[\"digits\",\"other\\n\"]}", "", 3},
    {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nConnection: close\r\n", "{\"error\":\"full \\\"now\\\" ok\"}", "", 0},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
     "{\"outputs\":[{\"name\":\"probabilities\",\"datatype\":\"UINT8\",\"shape\":[1,10],\"parameters\":{\"shared_memory_region\":\"r\","
     "\"shared_memory_byte_size\":10,\"shared_memory_offset\":64}}]}",
     "", 4},
};
enum { reply_count = sizeof replies / sizeof *replies, refusal = 4 };

static size_t assemble(const reply *reply, char *bytes, size_t capacity) {
  size_t json = strlen(reply->json), tensors = strlen(reply->tensors);
  char split[64] = "";
  if (tensors > 0) snprintf(split, sizeof split, "Inference-Header-Content-Length: %zu\r\n", json);
  return (size_t)snprintf(
      bytes, capacity, "%s%sContent-Length: %zu\r\n\r\n%s%s", reply->head, split, json + tensors, reply->json, reply->tensors);
}

static const char *const words[] = {
    "-1",   "0",  "18446744073709551615", "9223372036854775807", "4294967296", "{", "}",  "[",     "]",        "\"",
    "\\",   ":",  ",",                    "\\ud800",             "\\u0000",    "1e9999", "BYTES", "FP32", "\r\n\r\n", "Content-Length: 5\r\n",
    "null", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["};

static uint64_t state;
static size_t below(size_t bound) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return bound ? (size_t)(state % bound) : 0;
}

static size_t mutate(char *bytes, size_t count, size_t capacity) {
  for (size_t turns = 1 + below(4); turns > 0; turns--) {
    size_t at = below(count + 1), length = below(8);
    switch (below(5)) {
    case 0:
      if (at < count) bytes[at] = (char)below(256);
      break;
    case 1: count = at; break;
    case 2: {
      if (length > count - at) length = count - at;
      memmove(bytes + at, bytes + at + length, count - at - length);
      count -= length;
      break;
    }
    case 3: {
      const char *word = words[below(sizeof words / sizeof *words)];
      length = strlen(word);
      if (count + length > capacity) break;
      memmove(bytes + at + length, bytes + at, count - at);
      memcpy(bytes + at, word, length);
      count += length;
      break;
    }
    default:
      if (at < count && bytes[at] >= '0' && bytes[at] <= '9') bytes[at] = (char)('0' + below(10));
    }
  }
  return count;
}

static uint8_t *region;

// Any of the calls; memory that it writes is on the heap, where the sanitizer sees its ends.
static thimble_client_status call(thimble_client *client, int which) {
  thimble_client_status status;
  uint8_t pixels[64] = {0};
  bool shared = which == 4;
  thimble_client_input input = {"image", THIMBLE_CLIENT_UINT8, 4, {1, 8, 8, 1}, shared ? region : pixels, 64};
  if (which == 0 || shared) {
    uint8_t *bytes = malloc(10);
    thimble_client_output output = {.name = "probabilities", .bytes = shared ? region + 64 : bytes, .capacity = 10};
    status = thimble_client_infer(client, "digits", NULL, &input, 1, &output, 1);
    if (status == THIMBLE_CLIENT_OK && (output.byte_count > 10 || thimble_client_type_size(output.type) == 0)) abort();
    free(bytes);
  } else if (which == 1) {
    size_t count = 3;
    thimble_client_class *classes = malloc(count * sizeof *classes);
    status = thimble_client_classify(client, "digits", NULL, &input, 1, "probabilities", classes, &count);
    for (size_t i = 0; i < count; i++)
      if (strlen(classes[i].label) >= THIMBLE_CLIENT_NAME_SIZE) abort();
    free(classes);
  } else if (which == 2) {
    thimble_client_model *model = malloc(sizeof *model);
    status = thimble_client_metadata(client, "digits", NULL, model);
    if (model->input_count > THIMBLE_CLIENT_TENSORS_MAX || strlen(model->name) >= THIMBLE_CLIENT_NAME_SIZE) abort();
    free(model);
  } else {
    char *names = malloc(20);
    size_t count;
    status = thimble_client_models(client, names, 20, &count);
    free(names);
  }
  if (strlen(client->message) >= tc_message_size || (status == THIMBLE_CLIENT_OK) != (client->message[0] == 0)) abort();
  return status;
}

// Gives the client a connection whose other end has answered already and closed.
static thimble_client_status try_reply(thimble_client *client, const char *bytes, size_t count, int which) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) abort();
  tc_disconnect(client);
  client->socket = pair[0];
  if (count > 0 && write(pair[1], bytes, count) != (ssize_t)count) abort();
  shutdown(pair[1], SHUT_WR);
  thimble_client_status status = call(client, which);
  close(pair[1]);
  return status;
}

int main(int argc, char **argv) {
  size_t turns = argc > 1 ? strtoul(argv[1], NULL, 10) : 200000;
  state = argc > 2 ? strtoull(argv[2], NULL, 10) | 1 : 88172645463325252u;
  thimble_client *client = thimble_client_open("/nonexistent", &(thimble_client_options){.buffer_byte_count = 4096});
  region = malloc(128);
  client->regions[client->region_count++] = (tc_region){"r", (char *)region, 128, -1};
  size_t statuses[16] = {0};
  char bytes[2048];
  for (size_t i = 0; i < reply_count; i++) {
    size_t whole = assemble(&replies[i], bytes, sizeof bytes);
    thimble_client_status status = try_reply(client, bytes, whole, replies[i].call);
    if (status != (i == refusal ? THIMBLE_CLIENT_REFUSED : THIMBLE_CLIENT_OK))
      return fprintf(stderr, "reply %zu: %s\n", i, client->message), 1;
    // Cut off after any byte, it is no answer.
    for (size_t count = 0; count < whole; count++)
      if (try_reply(client, bytes, count, replies[i].call) == THIMBLE_CLIENT_OK)
        return fprintf(stderr, "reply %zu cut at %zu\n", i, count), 1;
  }
  for (size_t turn = 0; turn < turns; turn++) {
    const reply *reply = &replies[below(reply_count)];
    size_t count = mutate(bytes, assemble(reply, bytes, sizeof bytes), sizeof bytes);
    statuses[try_reply(client, bytes, count, below(8) ? reply->call : (int)below(5))]++;
  }
  printf("%zu mutated replies:", turns);
  for (size_t i = 0; i <= THIMBLE_CLIENT_MEMORY; i++) printf(" %zu", statuses[i]);
  puts(" of each status");
  free(region);
  thimble_client_close(client);
  return 0;
}
