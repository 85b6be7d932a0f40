#include <string.h>

#include "client.h"

// Whether the counts and pointers that the caller gives can be followed.
static thimble_client_status check(
    thimble_client *client, const char *model, const thimble_client_input *inputs, size_t input_count) {
  if (!tc_is_name(model)) return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "a model has a name of 1 to 127 bytes");
  if (input_count == 0 || input_count > THIMBLE_CLIENT_TENSORS_MAX)
    return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "a request has 1 to %d inputs, not %zu", THIMBLE_CLIENT_TENSORS_MAX, input_count);
  for (size_t i = 0; i < input_count; i++) {
    const thimble_client_input *input = &inputs[i];
    if (!tc_is_name(input->name)) return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "input %zu has no name of 1 to 127 bytes", i);
    if (!input->bytes || thimble_client_type_size(input->type) == 0 || input->rank < 0 || input->rank > THIMBLE_CLIENT_RANK_MAX)
      return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "input %s has no bytes, no type or no shape", input->name);
    thimble_client_port port = {.type = input->type, .rank = input->rank};
    memcpy(port.shape, input->shape, sizeof port.shape);
    size_t needed = thimble_client_port_size(&port);
    if (needed != input->byte_count)
      return tc_fail(
          client, THIMBLE_CLIENT_ARGUMENT, "input %s has %zu bytes where its shape and type say %zu", input->name, input->byte_count,
          needed);
  }
  return THIMBLE_CLIENT_OK;
}

// ,"parameters":{…} of a tensor in shared memory. `start` is the tensor's.
static void write_place(tc_writer *json, const tc_region *region, const void *start, size_t byte_count) {
  tc_write(json, "\"parameters\":{\"shared_memory_region\":");
  tc_write_string(json, region->name);
  tc_write(json, ",\"shared_memory_byte_size\":");
  tc_write_integer(json, (int64_t)byte_count);
  tc_write(json, ",\"shared_memory_offset\":");
  tc_write_integer(json, (const char *)start - region->bytes);
  tc_write(json, "}}");
}

static void write_parameters(tc_writer *json, const thimble_client_inference *options) {
  tc_write(json, "{");
  if (options && options->id) {
    tc_write(json, "\"id\":");
    tc_write_string(json, options->id);
    tc_write(json, ",");
  }
  tc_write(json, "\"parameters\":{\"priority\":");
  tc_write_integer(json, options ? options->priority : 0);
  if (options && options->timeout_micros) {
    tc_write(json, ",\"timeout\":");
    tc_write_integer(json, options->timeout_micros < INT64_MAX ? (int64_t)options->timeout_micros : INT64_MAX);
  }
  tc_write(json, "},\"inputs\":[");
}

// The inputs, and what of them follows the JSON.
static size_t write_inputs(
    thimble_client *client, tc_writer *json, const thimble_client_input *inputs, size_t count, struct iovec *tensors) {
  size_t tensor_count = 0;
  for (size_t i = 0; i < count; i++) {
    const thimble_client_input *input = &inputs[i];
    tc_write(json, i > 0 ? ",{\"name\":" : "{\"name\":");
    tc_write_string(json, input->name);
    tc_write(json, ",\"datatype\":\"");
    tc_write(json, tc_type_name(input->type));
    tc_write(json, "\",\"shape\":[");
    for (int32_t d = 0; d < input->rank; d++) {
      if (d > 0) tc_write(json, ",");
      tc_write_integer(json, input->shape[d]);
    }
    tc_write(json, "],");
    const tc_region *region = tc_region_of(client, input->bytes, input->byte_count);
    if (region) {
      write_place(json, region, input->bytes, input->byte_count);
    } else {
      tc_write(json, "\"parameters\":{\"binary_data_size\":");
      tc_write_integer(json, (int64_t)input->byte_count);
      tc_write(json, "}}");
      tensors[tensor_count++] = (struct iovec){(void *)input->bytes, input->byte_count};
    }
  }
  tc_write(json, "],\"outputs\":[");
  return tensor_count;
}

static thimble_client_status send_request(
    thimble_client *client, const char *model, const thimble_client_inference *options, const tc_writer *json,
    const struct iovec *tensors, size_t tensor_count) {
  if (json->failed)
    return tc_fail(
        client, THIMBLE_CLIENT_TOO_LARGE, "the request's JSON has %zu bytes: open the client with buffer_byte_count of as many",
        json->count);
  const char *version = options ? options->version : NULL;
  tc_request request = {"POST",      {"v2", "models", model, "infer"}, json->bytes, json->count, tensors,
                        tensor_count, -1};
  if (version) {
    if (!tc_is_name(version)) return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "a version has a name of 1 to 127 bytes");
    request.path[3] = "versions";
    request.path[4] = version;
    request.path[5] = "infer";
  }
  return tc_exchange(client, &request);
}

thimble_client_status thimble_client_infer(
    thimble_client *client, const char *model, const thimble_client_inference *options, const thimble_client_input *inputs,
    size_t input_count, thimble_client_output *outputs, size_t output_count) {
  tc_begin(client);
  thimble_client_status status = check(client, model, inputs, input_count);
  if (status != THIMBLE_CLIENT_OK) return status;
  if (output_count == 0 || output_count > THIMBLE_CLIENT_TENSORS_MAX)
    return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "a request has 1 to %d outputs, not %zu", THIMBLE_CLIENT_TENSORS_MAX, output_count);
  struct iovec tensors[THIMBLE_CLIENT_TENSORS_MAX];
  tc_writer json = {client->request, client->buffer_count, 0, false};
  write_parameters(&json, options);
  size_t tensor_count = write_inputs(client, &json, inputs, input_count, tensors);
  for (size_t i = 0; i < output_count; i++) {
    if (!tc_is_name(outputs[i].name) || !outputs[i].bytes)
      return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "output %zu has no name of 1 to 127 bytes, or no bytes", i);
    tc_write(&json, i > 0 ? ",{\"name\":" : "{\"name\":");
    tc_write_string(&json, outputs[i].name);
    tc_write(&json, ",");
    const tc_region *region = tc_region_of(client, outputs[i].bytes, outputs[i].capacity);
    if (region)
      write_place(&json, region, outputs[i].bytes, outputs[i].capacity);
    else
      tc_write(&json, "\"parameters\":{\"binary_data\":true}}");
  }
  tc_write(&json, "]}");
  status = send_request(client, model, options, &json, tensors, tensor_count);
  if (status != THIMBLE_CLIENT_OK) return status;
  size_t order[THIMBLE_CLIENT_TENSORS_MAX], order_count;
  status = tc_answer_outputs(client, outputs, output_count, order, &order_count);
  for (size_t i = 0; status == THIMBLE_CLIENT_OK && i < order_count; i++)
    status = tc_receive_rest(client, outputs[order[i]].bytes, outputs[order[i]].byte_count);
  tc_end(client);
  return status;
}

thimble_client_status thimble_client_classify(
    thimble_client *client, const char *model, const thimble_client_inference *options, const thimble_client_input *inputs,
    size_t input_count, const char *output, thimble_client_class *classes, size_t *class_count) {
  tc_begin(client);
  size_t capacity = *class_count;
  *class_count = 0;
  thimble_client_status status = check(client, model, inputs, input_count);
  if (status != THIMBLE_CLIENT_OK) return status;
  if (!tc_is_name(output) || capacity == 0 || capacity > INT32_MAX)
    return tc_fail(client, THIMBLE_CLIENT_ARGUMENT, "the output has no name, or no class is wanted of it");
  struct iovec tensors[THIMBLE_CLIENT_TENSORS_MAX];
  tc_writer json = {client->request, client->buffer_count, 0, false};
  write_parameters(&json, options);
  size_t tensor_count = write_inputs(client, &json, inputs, input_count, tensors);
  tc_write(&json, "{\"name\":");
  tc_write_string(&json, output);
  tc_write(&json, ",\"parameters\":{\"binary_data\":false,\"classification\":");
  tc_write_integer(&json, (int64_t)capacity);
  tc_write(&json, "}}]}");
  status = send_request(client, model, options, &json, tensors, tensor_count);
  if (status != THIMBLE_CLIENT_OK) return status;
  tc_end(client);
  return tc_answer_classes(client, output, classes, capacity, class_count);
}
