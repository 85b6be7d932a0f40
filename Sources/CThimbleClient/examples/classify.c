// Asks a Thimble daemon what a tensor shows: classify SOCKET MODEL FILE [COUNT]
//
//   targets/c-client.sh
//   cc Sources/CThimbleClient/examples/classify.c -I.build-c-client/include .build-c-client/libthimble_client.a -o classify
//   ./classify /run/thimble.sock digits digit.bin 3
//
// FILE holds the model's first input, raw. It goes through memory that the daemon shares.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thimble_client.h>

static void check(thimble_client *client, thimble_client_status status) {
  if (status == THIMBLE_CLIENT_OK) return;
  fprintf(stderr, "classify: %s\n", thimble_client_message(client));
  exit(1);
}

int main(int argc, char **argv) {
  if (argc < 4) return fprintf(stderr, "usage: classify SOCKET MODEL FILE [COUNT]\n"), 2;
  thimble_client *client = thimble_client_open(argv[1], NULL);
  if (!client) return perror("classify"), 1;

  thimble_client_model model;
  check(client, thimble_client_metadata(client, argv[2], NULL, &model));
  const thimble_client_port *port = &model.inputs[0];
  thimble_client_input input = {port->name, port->type, port->rank, {0}, NULL, thimble_client_port_size(port)};
  memcpy(input.shape, port->shape, sizeof input.shape);

  void *bytes;
  check(client, thimble_client_share(client, "tensor", input.byte_count, &bytes));
  input.bytes = bytes;
  FILE *file = fopen(argv[3], "rb");
  if (!file || fread(bytes, 1, input.byte_count, file) != input.byte_count)
    return fprintf(stderr, "classify: %s has fewer than %zu bytes\n", argv[3], input.byte_count), 1;
  fclose(file);

  thimble_client_class classes[10];
  size_t count = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
  if (count > 10) count = 10;
  check(client, thimble_client_classify(client, argv[2], NULL, &input, 1, model.outputs[0].name, classes, &count));
  for (size_t i = 0; i < count; i++)
    printf("%-20s %g\n", classes[i].label[0] ? classes[i].label : "(no label)", classes[i].value);
  thimble_client_close(client);
  return 0;
}
