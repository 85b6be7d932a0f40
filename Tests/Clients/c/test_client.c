// The C client against a running daemon: test_client SOCKET MODELS_DIR
//
// The daemon serves the `digits` model of MODELS_DIR; MODELS_DIR/digits/heldout.bin holds pictures and what they show.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

#define CHECK(condition)                                                                                        \
  do {                                                                                                          \
    if (!(condition)) {                                                                                         \
      fprintf(stderr, "%s:%d: not so: %s (\"%s\")\n", __FILE__, __LINE__, #condition, client ? thimble_client_message(client) : ""); \
      exit(1);                                                                                                  \
    }                                                                                                           \
  } while (0)
#define OK(call) CHECK((call) == THIMBLE_CLIENT_OK)

static thimble_client *client;
static uint8_t held_out[1 << 20];
static const uint8_t *pictures, *shown;
static uint32_t picture_count;

static void read_pictures(const char *models) {
  char path[4096];
  snprintf(path, sizeof path, "%s/digits/heldout.bin", models);
  FILE *file = fopen(path, "rb");
  CHECK(file && fread(held_out, 1, sizeof held_out, file) > 20);
  fclose(file);
  memcpy(&picture_count, held_out + 8, 4);
  pictures = held_out + 20;
  shown = pictures + picture_count * 64;
}

static thimble_client_input image(const void *bytes) {
  return (thimble_client_input){"image", THIMBLE_CLIENT_UINT8, 4, {1, 8, 8, 1}, bytes, 64};
}
static thimble_client_output result(void *bytes, size_t capacity) {
  return (thimble_client_output){.name = "probabilities", .bytes = bytes, .capacity = capacity};
}
static int highest(const uint8_t *bytes) {
  int best = 0;
  for (int i = 1; i < 10; i++)
    if (bytes[i] > bytes[best]) best = i;
  return best;
}

static void documents(void) {
  bool ready;
  OK(thimble_client_is_ready(client, NULL, &ready));
  CHECK(ready);
  OK(thimble_client_is_ready(client, "none", &ready));
  CHECK(!ready);
  char names[256];
  size_t count;
  OK(thimble_client_models(client, names, sizeof names, &count));
  CHECK(count >= 1);
  CHECK(thimble_client_models(client, names, 3, &count) == THIMBLE_CLIENT_TOO_LARGE);
  thimble_client_model model;
  OK(thimble_client_metadata(client, "digits", "1", &model));
  CHECK(model.input_count == 1 && strcmp(model.inputs[0].name, "image") == 0 && thimble_client_port_size(&model.inputs[0]) == 64);
  CHECK(model.output_count == 1 && model.outputs[0].rank == 2 && model.outputs[0].shape[1] == 10);
  CHECK(thimble_client_metadata(client, "a/../b", NULL, &model) == THIMBLE_CLIENT_REFUSED);
  CHECK(thimble_client_http_status(client) == 404 && thimble_client_message(client)[0]);
  CHECK(thimble_client_metadata(client, "", NULL, &model) == THIMBLE_CLIENT_ARGUMENT);
}

static void inference(void) {
  uint8_t probabilities[10];
  uint32_t right = 0;
  for (uint32_t i = 0; i < picture_count; i++) {
    thimble_client_input input = image(pictures + i * 64);
    thimble_client_output output = result(probabilities, sizeof probabilities);
    OK(thimble_client_infer(client, "digits", NULL, &input, 1, &output, 1));
    CHECK(output.type == THIMBLE_CLIENT_UINT8 && output.rank == 2 && output.shape[1] == 10 && output.byte_count == 10);
    right += highest(probabilities) == shown[i];
  }
  CHECK(right >= picture_count * 99 / 100);

  thimble_client_input input = image(pictures);
  thimble_client_inference options = {.version = "1", .id = "a \"quoted\" one", .timeout_micros = 1000000, .priority = 1};
  thimble_client_class classes[3];
  size_t count = 3;
  OK(thimble_client_classify(client, "digits", &options, &input, 1, "probabilities", classes, &count));
  CHECK(count == 3 && classes[0].index == shown[0] && classes[0].value >= classes[1].value && classes[0].value > 128);
  CHECK(atoi(classes[0].label) == shown[0]);

  thimble_client_output output = result(probabilities, 9);
  CHECK(thimble_client_infer(client, "digits", NULL, &input, 1, &output, 1) == THIMBLE_CLIENT_TOO_LARGE);
  output.capacity = 10;
  OK(thimble_client_infer(client, "digits", NULL, &input, 1, &output, 1));
  input.byte_count = 63;
  CHECK(thimble_client_infer(client, "digits", NULL, &input, 1, &output, 1) == THIMBLE_CLIENT_ARGUMENT);
  input = image(pictures);
  input.shape[1] = 4, input.shape[2] = 16;
  CHECK(thimble_client_infer(client, "digits", NULL, &input, 1, &output, 1) == THIMBLE_CLIENT_REFUSED);
  CHECK(thimble_client_http_status(client) == 400);
  input = image(pictures);
  output.name = "none";
  CHECK(thimble_client_infer(client, "digits", NULL, &input, 1, &output, 1) == THIMBLE_CLIENT_REFUSED);
}

static void shared_memory(void) {
  uint8_t expected[10], *memory;
  thimble_client_input input = image(pictures);
  thimble_client_output output = result(expected, 10);
  OK(thimble_client_infer(client, "digits", NULL, &input, 1, &output, 1));

  void *shared;
  OK(thimble_client_share(client, "picture", 8192, &shared));
  CHECK(thimble_client_share(client, "picture", 8192, (void **)&memory) == THIMBLE_CLIENT_ARGUMENT);
  memory = shared;
  // The second time over a new connection, which is given the memory again.
  for (int turn = 0; turn < 2; turn++) {
    memset(memory, 0, 8192);
    memcpy(memory, pictures, 64);
    input = image(memory);
    output = result(memory + 4096, 10);
    OK(thimble_client_infer(client, "digits", NULL, &input, 1, &output, 1));
    CHECK(output.byte_count == 10 && memcmp(memory + 4096, expected, 10) == 0);
    shutdown(client->socket, SHUT_RDWR);
  }
  OK(thimble_client_unshare(client, "picture"));
  CHECK(thimble_client_unshare(client, "picture") == THIMBLE_CLIENT_ARGUMENT);

  char key[64];
  snprintf(key, sizeof key, "/thimble-client-%d", getpid());
  int fd = shm_open(key, O_CREAT | O_RDWR | O_EXCL, 0600);
  CHECK(fd >= 0 && ftruncate(fd, 8192) == 0);
  memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  thimble_client_status status = thimble_client_share_system(client, "object", key, 4096, memory + 4096, 4096);
  shm_unlink(key);
  OK(status);
  memcpy(memory + 4096, pictures, 64);
  input = image(memory + 4096);
  output = result(memory + 5000, 100);
  OK(thimble_client_infer(client, "digits", NULL, &input, 1, &output, 1));
  CHECK(output.byte_count == 10 && memcmp(memory + 5000, expected, 10) == 0);
  OK(thimble_client_unshare(client, "object"));
  CHECK(thimble_client_share_system(client, "object", "/none-such", 0, memory, 4096) == THIMBLE_CLIENT_REFUSED);
  munmap(memory, 8192);
  close(fd);
}

static void repository(void) {
  bool ready;
  OK(thimble_client_unload(client, "digits"));
  OK(thimble_client_is_ready(client, "digits", &ready));
  CHECK(!ready);
  OK(thimble_client_load(client, "digits"));
  OK(thimble_client_is_ready(client, "digits", &ready));
  CHECK(ready);
  CHECK(thimble_client_load(client, "none") == THIMBLE_CLIENT_REFUSED);
}

// No daemon, one that closes at once, one that says nothing.
static void failures(void) {
  bool ready;
  client = thimble_client_open("/nonexistent/socket", NULL);
  CHECK(thimble_client_is_ready(client, NULL, &ready) == THIMBLE_CLIENT_NO_SERVER);
  CHECK(strstr(thimble_client_message(client), "thimble serve"));
  thimble_client_close(client);
  client = NULL;

  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/tmp/thimble-client-%d", getpid());
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 4) == 0);
  client = thimble_client_open(address.sun_path, &(thimble_client_options){.timeout_milliseconds = 50});
  CHECK(thimble_client_is_ready(client, NULL, &ready) == THIMBLE_CLIENT_TIMEOUT);
  close(listener);
  CHECK(thimble_client_is_ready(client, NULL, &ready) == THIMBLE_CLIENT_NO_SERVER);
  unlink(address.sun_path);
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  client->socket = pair[0];
  CHECK(write(pair[1], "HTTP/1.1 200 OK\r\n", 17) == 17);
  shutdown(pair[1], SHUT_WR);
  CHECK(thimble_client_is_ready(client, NULL, &ready) == THIMBLE_CLIENT_DISCONNECTED);
  close(pair[1]);
  thimble_client_close(client);
  char path[300];
  memset(path, 'a', sizeof path);
  path[299] = 0;
  CHECK(!thimble_client_open(path, NULL));
}

int main(int argc, char **argv) {
  if (argc != 3) return fprintf(stderr, "usage: test_client SOCKET MODELS_DIR\n"), 2;
  read_pictures(argv[2]);
  client = thimble_client_open(argv[1], &(thimble_client_options){.buffer_byte_count = 1});
  CHECK(client);
  documents();
  inference();
  shared_memory();
  repository();
  thimble_client_close(client);
  client = NULL;
  failures();
  puts("the C client: right");
  return 0;
}
