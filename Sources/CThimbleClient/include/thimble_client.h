// A client of a Thimble daemon for C and C++: Linux, little-endian, nothing needed beside the C library.
//
//   thimble_client *client = thimble_client_open("/run/thimble/thimble.sock", NULL);
//   uint8_t pixels[64], probabilities[10];
//   thimble_client_input image = {"image", THIMBLE_CLIENT_UINT8, 4, {1, 8, 8, 1}, pixels, sizeof pixels};
//   thimble_client_output result = {.name = "probabilities", .bytes = probabilities, .capacity = sizeof probabilities};
//   if (thimble_client_infer(client, "digits", NULL, &image, 1, &result, 1) != THIMBLE_CLIENT_OK)
//     fprintf(stderr, "%s\n", thimble_client_message(client));
//   thimble_client_close(client);
//
// All memory is allocated by `thimble_client_open`; every other call uses what it got and what the caller gives. A client keeps one
// connection, opened by the first call and anew where the daemon has closed it. Use a client from one thread at a time.
#ifndef THIMBLE_CLIENT_H
#define THIMBLE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Sizes of a tensor; tensors of one request, and of a model's inputs or outputs; regions of shared memory of one client.
#define THIMBLE_CLIENT_RANK_MAX 8
#define THIMBLE_CLIENT_TENSORS_MAX 16
#define THIMBLE_CLIENT_REGIONS_MAX 16
// Bytes of a name or label with its NUL.
#define THIMBLE_CLIENT_NAME_SIZE 128

typedef struct thimble_client thimble_client;

// How a call went. `thimble_client_message` says more of all but OK.
typedef enum {
  THIMBLE_CLIENT_OK = 0,
  // What the caller gave makes no sense; nothing was sent.
  THIMBLE_CLIENT_ARGUMENT,
  // Nothing listens at the path, or this user may not connect.
  THIMBLE_CLIENT_NO_SERVER,
  // The connection broke, and where it was an old one, the new one too.
  THIMBLE_CLIENT_DISCONNECTED,
  // The call took longer than the client's timeout.
  THIMBLE_CLIENT_TIMEOUT,
  // The daemon refused: `thimble_client_http_status` and the message are its words. 503 and 429 may go well a little later.
  THIMBLE_CLIENT_REFUSED,
  // What came back is not understood.
  THIMBLE_CLIENT_MALFORMED,
  // A request or an answer does not fit into a buffer, which the message names with the bytes needed.
  THIMBLE_CLIENT_TOO_LARGE,
  // The system has no memory to share.
  THIMBLE_CLIENT_MEMORY,
} thimble_client_status;

typedef enum {
  THIMBLE_CLIENT_BOOL = 1,
  THIMBLE_CLIENT_UINT8,
  THIMBLE_CLIENT_INT8,
  THIMBLE_CLIENT_INT16,
  THIMBLE_CLIENT_INT32,
  THIMBLE_CLIENT_INT64,
  THIMBLE_CLIENT_FP32,
} thimble_client_type;

// Zero in a member means its default.
typedef struct {
  // For one whole call; 60 000.
  uint32_t timeout_milliseconds;
  // For the JSON of a request, and as much for an answer's head and JSON; tensors need none of it. 65 536; at least 4096.
  size_t buffer_byte_count;
} thimble_client_options;

// Returns a client that is not connected yet, or NULL with errno: ENOMEM, or ENAMETOOLONG for the path. `options` may be NULL.
thimble_client *thimble_client_open(const char *socket_path, const thimble_client_options *options);

// Closes the connection and frees everything, with the memory that `thimble_client_share` made. NULL is fine.
void thimble_client_close(thimble_client *client);

// Of the last call: what went wrong and what to do, "" where nothing did; the status of the daemon's refusal, else 0; after how many
// seconds to try again, or -1.
const char *thimble_client_message(const thimble_client *client);
int thimble_client_http_status(const thimble_client *client);
int thimble_client_retry_after_seconds(const thimble_client *client);

// --- The daemon and its models

// Whether the daemon takes requests, or with `model` not NULL, that model.
thimble_client_status thimble_client_is_ready(thimble_client *client, const char *model, bool *ready);

// The models' names, each with its NUL, one after another in `names`, and how many.
thimble_client_status thimble_client_models(thimble_client *client, char *names, size_t capacity, size_t *count);

typedef struct {
  char name[THIMBLE_CLIENT_NAME_SIZE];
  thimble_client_type type;
  int32_t rank;
  // -1: any.
  int64_t shape[THIMBLE_CLIENT_RANK_MAX];
} thimble_client_port;

typedef struct {
  char name[THIMBLE_CLIENT_NAME_SIZE];
  char platform[THIMBLE_CLIENT_NAME_SIZE];
  size_t input_count, output_count;
  thimble_client_port inputs[THIMBLE_CLIENT_TENSORS_MAX], outputs[THIMBLE_CLIENT_TENSORS_MAX];
} thimble_client_model;

// `version` may be NULL: the one that the daemon picks.
thimble_client_status thimble_client_metadata(
    thimble_client *client, const char *model, const char *version, thimble_client_model *metadata);

thimble_client_status thimble_client_load(thimble_client *client, const char *model);
thimble_client_status thimble_client_unload(thimble_client *client, const char *model);

// Bytes of one element; 0 for no type.
size_t thimble_client_type_size(thimble_client_type type);
// Bytes of a tensor; 0 where a size is open or the product overflows.
size_t thimble_client_port_size(const thimble_client_port *port);

// --- Inference

// Elements are little-endian and row-major. Bytes that lie whole in memory that the client shares do not go through the socket.
typedef struct {
  const char *name;
  thimble_client_type type;
  int32_t rank;
  int64_t shape[THIMBLE_CLIENT_RANK_MAX];
  const void *bytes;
  size_t byte_count;
} thimble_client_input;

typedef struct {
  // Given: what to answer, and where to.
  const char *name;
  void *bytes;
  size_t capacity;
  // Answered.
  thimble_client_type type;
  int32_t rank;
  int64_t shape[THIMBLE_CLIENT_RANK_MAX];
  size_t byte_count;
} thimble_client_output;

// Zero in a member means its default; NULL for all does too.
typedef struct {
  const char *version;
  // The request's, for the daemon's log.
  const char *id;
  // How long the request may wait in the daemon's queue.
  uint64_t timeout_micros;
  // 1 is first.
  uint32_t priority;
} thimble_client_inference;

// Runs a model and writes the outputs that are named. On an error what the outputs hold is not specified.
thimble_client_status thimble_client_infer(
    thimble_client *client, const char *model, const thimble_client_inference *options, const thimble_client_input *inputs,
    size_t input_count, thimble_client_output *outputs, size_t output_count);

typedef struct {
  double value;
  int64_t index;
  // "" where the model has no labels; cut off where it is longer.
  char label[THIMBLE_CLIENT_NAME_SIZE];
} thimble_client_class;

// The highest elements of one output, highest first. `class_count`: how many are wanted, and then how many there are.
thimble_client_status thimble_client_classify(
    thimble_client *client, const char *model, const thimble_client_inference *options, const thimble_client_input *inputs,
    size_t input_count, const char *output, thimble_client_class *classes, size_t *class_count);

// --- Shared memory

// New memory that the daemon maps too, as long as this client has it: a memfd, sealed so that it cannot be cut off, passed over the
// socket, and again with every new connection. `bytes` is page-aligned and zero.
thimble_client_status thimble_client_share(thimble_client *client, const char *name, size_t byte_count, void **bytes);

// Registers an object of /dev/shm (`shm_open`) that the caller has mapped: `bytes` is where its byte `offset` stands. `key` is its
// name, as "/camera". The daemon knows the region until `thimble_client_unshare`, also after this client is closed.
thimble_client_status thimble_client_share_system(
    thimble_client *client, const char *name, const char *key, size_t offset, void *bytes, size_t byte_count);

// Has the daemon let go of the region; memory that `thimble_client_share` made is unmapped.
thimble_client_status thimble_client_unshare(thimble_client *client, const char *name);

#ifdef __cplusplus
}
#endif
#endif
