// What the parts of the client share.
#ifndef THIMBLE_CLIENT_CLIENT_H
#define THIMBLE_CLIENT_CLIENT_H

#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "json.h"
#include "thimble_client.h"

enum { tc_head_size = 1024, tc_message_size = 512, tc_registration_size = 1024 };

typedef struct {
  char name[THIMBLE_CLIENT_NAME_SIZE];
  char *bytes;
  size_t byte_count;
  // The memfd; -1 for an object of the system.
  int descriptor;
} tc_region;

// What a call asks: the head is put together by `tc_exchange`.
typedef struct {
  const char *method;
  // Parts of the path behind "/", NULL at the end; quoted here.
  const char *path[8];
  // JSON, or none.
  const char *json;
  size_t json_count;
  // Behind the JSON.
  const struct iovec *tensors;
  size_t tensor_count;
  // Passed along, or -1.
  int descriptor;
} tc_request;

// The head of an answer, as far as it matters.
typedef struct {
  int status;
  bool keeps_alive;
  // SIZE_MAX where the head says none.
  size_t body_count, json_count;
  int retry_after_seconds;
} tc_head;

struct thimble_client {
  struct sockaddr_un address;
  int socket;
  uint32_t timeout_milliseconds;
  int64_t deadline_milliseconds;
  size_t region_count;
  tc_region regions[THIMBLE_CLIENT_REGIONS_MAX];
  // Of the last call.
  int http_status, retry_after_seconds;
  char message[tc_message_size];
  // Of the last answer: its JSON, and how many bytes follow it; the first of those may have been received with it.
  const char *json;
  size_t json_count, rest_count;
  const char *early;
  size_t early_count;
  bool keeps_alive;
  // The request's JSON is put together in the first, an answer's head and JSON are received into the second.
  size_t buffer_count;
  char *request, *answer;
};

// --- client.c
// Sets the message and returns the status.
thimble_client_status tc_fail(thimble_client *client, thimble_client_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// To begin a call: no message, a new deadline.
void tc_begin(thimble_client *client);
thimble_client_status tc_not_understood(thimble_client *client, const char *what);
// Whether it can be a region's, a model's or a tensor's name: neither NULL nor empty nor too long.
bool tc_is_name(const char *name);

// --- http.c
// Parses a head of `count` bytes with its empty line. False where it is malformed or of a form that no daemon sends.
bool tc_head_parse(const char *bytes, size_t count, tc_head *head);
// Bytes of the head with its empty line; 0 while that has not come.
size_t tc_head_count(const char *bytes, size_t count);

// --- exchange.c
// Sends a request and receives its answer's JSON; what follows it is for `tc_receive_rest`. Statuses other than 200 are refusals.
thimble_client_status tc_exchange(thimble_client *client, const tc_request *request);
// The next `count` bytes behind the JSON. Precondition: so many are left.
thimble_client_status tc_receive_rest(thimble_client *client, void *to, size_t count);
// Gives up the connection where bytes are left or the daemon closes it.
void tc_end(thimble_client *client);
void tc_disconnect(thimble_client *client);

// --- socket.c; negative: -errno
int tc_connect(thimble_client *client);
ssize_t tc_send(thimble_client *client, struct iovec *parts, size_t count, int descriptor);
// At least one byte; 0 at the end.
ssize_t tc_receive(thimble_client *client, void *to, size_t capacity);
int64_t tc_now_milliseconds(void);

// --- answer.c; what they fill is empty when they are called
// Which of the outputs an answer has, where they are and how large. `order` gets the outputs whose bytes follow the JSON.
thimble_client_status tc_answer_outputs(
    thimble_client *client, thimble_client_output *outputs, size_t count, size_t *order, size_t *order_count);
thimble_client_status tc_answer_classes(
    thimble_client *client, const char *output, thimble_client_class *classes, size_t capacity, size_t *class_count);
thimble_client_status tc_answer_metadata(thimble_client *client, thimble_client_model *metadata);
thimble_client_status tc_answer_models(thimble_client *client, char *names, size_t capacity, size_t *count);
const char *tc_type_name(thimble_client_type type);

// --- memory.c
// The region that the bytes lie in whole, or NULL.
const tc_region *tc_region_of(const thimble_client *client, const void *bytes, size_t byte_count);
// Puts together the registration of a passed region.
void tc_region_request(const tc_region *region, tc_writer *json, tc_request *request);

#endif
