#define _GNU_SOURCE
#include <math.h>
#include <string.h>

#include "client.h"

static const struct {
  const char *name;
  size_t size;
} types[] = {{"", 0}, {"BOOL", 1}, {"UINT8", 1}, {"INT8", 1}, {"INT16", 2}, {"INT32", 4}, {"INT64", 8}, {"FP32", 4}};

const char *tc_type_name(thimble_client_type type) { return types[type].name; }

size_t thimble_client_type_size(thimble_client_type type) {
  return (size_t)type < sizeof types / sizeof *types ? types[type].size : 0;
}

size_t thimble_client_port_size(const thimble_client_port *port) {
  size_t size = thimble_client_type_size(port->type);
  if (port->rank < 0 || port->rank > THIMBLE_CLIENT_RANK_MAX) return 0;
  for (int32_t d = 0; d < port->rank; d++)
    if (port->shape[d] < 0 || __builtin_mul_overflow(size, (size_t)port->shape[d], &size)) return 0;
  return size;
}

// --- A tensor's members

typedef struct {
  tc_text name, region;
  thimble_client_type type;
  bool is_strings;
  int32_t rank;
  int64_t shape[THIMBLE_CLIENT_RANK_MAX];
  // -1: not binary.
  int64_t binary_count;
  // Where the member `data` begins; its `next` is NULL for none.
  tc_json data;
} tensor;

static bool read_shape(tc_json *json, tensor *entry) {
  entry->rank = 0;
  if (!tc_json_open(json, '[')) return false;
  while (tc_json_element(json)) {
    if (entry->rank == THIMBLE_CLIENT_RANK_MAX || !tc_json_integer(json, &entry->shape[entry->rank])) return false;
    entry->rank++;
  }
  return !json->failed;
}

static bool read_parameters(tc_json *json, tensor *entry) {
  tc_text key;
  if (!tc_json_open(json, '{')) return false;
  while (tc_json_key(json, &key)) {
    bool read = tc_text_equals(key, "binary_data_size")       ? tc_json_integer(json, &entry->binary_count) && entry->binary_count >= 0
                : tc_text_equals(key, "shared_memory_region") ? tc_json_string(json, &entry->region)
                                                              : tc_json_skip(json);
    if (!read) return false;
  }
  return !json->failed;
}

static bool read_type(tc_json *json, tensor *entry) {
  tc_text name;
  if (!tc_json_string(json, &name)) return false;
  entry->is_strings = tc_text_equals(name, "BYTES");
  for (size_t type = 1; type < sizeof types / sizeof *types; type++)
    if (tc_text_equals(name, types[type].name)) entry->type = (thimble_client_type)type;
  return entry->is_strings || entry->type != 0;
}

static bool read_tensor(tc_json *json, tensor *entry) {
  *entry = (tensor){.binary_count = -1, .rank = -1};
  tc_text key;
  if (!tc_json_open(json, '{')) return false;
  while (tc_json_key(json, &key)) {
    bool read;
    if (tc_text_equals(key, "name")) {
      read = tc_json_string(json, &entry->name);
    } else if (tc_text_equals(key, "datatype")) {
      read = read_type(json, entry);
    } else if (tc_text_equals(key, "shape")) {
      read = read_shape(json, entry);
    } else if (tc_text_equals(key, "parameters")) {
      read = read_parameters(json, entry);
    } else {
      if (tc_text_equals(key, "data")) entry->data = *json;
      read = tc_json_skip(json);
    }
    if (!read) return false;
  }
  return !json->failed && entry->name.start && entry->rank >= 0 && (entry->is_strings || entry->type != 0);
}

// Enters the list that is the document's member `name`.
static bool enter(tc_json *json, const char *name) {
  tc_text key;
  if (!tc_json_open(json, '{')) return false;
  while (tc_json_key(json, &key)) {
    if (tc_text_equals(key, name)) return tc_json_open(json, '[');
    if (!tc_json_skip(json)) return false;
  }
  return false;
}

// --- Inference

static thimble_client_status bad_output(thimble_client *client) {
  return tc_not_understood(client, "its outputs are malformed, or others than were asked for");
}

// Takes an entry for the output of its name. `known` has a bit for each output that has come.
static thimble_client_status take(
    thimble_client *client, const tensor *entry, thimble_client_output *outputs, size_t count, uint32_t *known, size_t *index) {
  char name[THIMBLE_CLIENT_NAME_SIZE];
  if (entry->is_strings || !tc_text_copy(entry->name, name, sizeof name, false)) return bad_output(client);
  size_t i = 0;
  while (i < count && strcmp(outputs[i].name, name) != 0) i++;
  if (i == count || (*known >> i & 1)) return bad_output(client);
  *known |= 1u << i;
  thimble_client_port port = {.type = entry->type, .rank = entry->rank};
  memcpy(port.shape, entry->shape, sizeof port.shape);
  size_t size = thimble_client_port_size(&port);
  bool shared = tc_region_of(client, outputs[i].bytes, outputs[i].capacity) != NULL;
  bool has_form = shared ? entry->region.start && entry->binary_count < 0
                         : entry->binary_count >= 0 && (uint64_t)entry->binary_count == size;
  if (!has_form) return bad_output(client);
  if (size > outputs[i].capacity) {
    tc_disconnect(client);
    return tc_fail(
        client, THIMBLE_CLIENT_TOO_LARGE, "output %s has %zu bytes, and there is room for %zu", outputs[i].name, size,
        outputs[i].capacity);
  }
  outputs[i].type = entry->type;
  outputs[i].rank = entry->rank;
  memcpy(outputs[i].shape, entry->shape, sizeof entry->shape);
  outputs[i].byte_count = size;
  *index = i;
  return THIMBLE_CLIENT_OK;
}

thimble_client_status tc_answer_outputs(
    thimble_client *client, thimble_client_output *outputs, size_t count, size_t *order, size_t *order_count) {
  tc_json json = tc_json_of(client->json, client->json_count);
  size_t rest = client->rest_count, index = 0, taken = 0;
  uint32_t known = 0;
  *order_count = 0;
  if (!enter(&json, "outputs")) return bad_output(client);
  while (tc_json_element(&json)) {
    tensor entry;
    if (!read_tensor(&json, &entry)) return bad_output(client);
    thimble_client_status status = take(client, &entry, outputs, count, &known, &index);
    if (status != THIMBLE_CLIENT_OK) return status;
    taken++;
    if (entry.binary_count < 0) continue;
    if ((size_t)entry.binary_count > rest) return bad_output(client);
    rest -= (size_t)entry.binary_count;
    order[(*order_count)++] = index;
  }
  return json.failed || rest > 0 || taken != count ? bad_output(client) : THIMBLE_CLIENT_OK;
}

// --- Classification

// Digits with an optional fraction, whatever the locale; `*text` goes behind them.
static double number(const char **text) {
  const char *at = *text;
  bool negative = *at == '-';
  if (negative) at++;
  double value = *at >= '0' && *at <= '9' ? 0 : strncmp(at, "inf", 3) == 0 ? INFINITY : NAN;
  for (; *at >= '0' && *at <= '9'; at++) value = value * 10 + (*at - '0');
  if (*at == '.') {
    at++;
    double place = 0.1;
    for (; *at >= '0' && *at <= '9'; at++, place /= 10) value += place * (*at - '0');
  }
  while (*at && *at != ':') at++;
  *text = at;
  return negative ? -value : value;
}

// value:index[:label]; a label may have colons.
static bool read_class(tc_json *json, thimble_client_class *class) {
  char bytes[THIMBLE_CLIENT_NAME_SIZE + 128];
  tc_text text;
  if (!tc_json_string(json, &text) || !tc_text_copy(text, bytes, sizeof bytes, true)) return false;
  const char *at = bytes;
  class->value = number(&at);
  if (*at++ != ':') return false;
  class->index = 0;
  const char *digits = at;
  for (; *at >= '0' && *at <= '9'; at++) {
    if (class->index > INT32_MAX) return false;
    class->index = class->index * 10 + (*at - '0');
  }
  if (at == digits || (*at && *at != ':')) return false;
  const char *label = *at ? at + 1 : at;
  size_t count = strnlen(label, sizeof class->label - 1);
  memcpy(class->label, label, count);
  class->label[count] = 0;
  return true;
}

thimble_client_status tc_answer_classes(
    thimble_client *client, const char *output, thimble_client_class *classes, size_t capacity, size_t *class_count) {
  char name[THIMBLE_CLIENT_NAME_SIZE];
  tensor entry;
  tc_json json = tc_json_of(client->json, client->json_count);
  if (!enter(&json, "outputs") || !tc_json_element(&json) || !read_tensor(&json, &entry) || !entry.is_strings || !entry.data.next ||
      !tc_text_copy(entry.name, name, sizeof name, false) || strcmp(name, output) != 0)
    return bad_output(client);
  json = entry.data;
  if (!tc_json_open(&json, '[')) return bad_output(client);
  while (tc_json_element(&json)) {
    if (*class_count == capacity)
      return tc_fail(client, THIMBLE_CLIENT_TOO_LARGE, "there are more than %zu classes: one list for each of the batch", capacity);
    if (!read_class(&json, &classes[*class_count])) return bad_output(client);
    ++*class_count;
  }
  return json.failed ? bad_output(client) : THIMBLE_CLIENT_OK;
}

// --- Documents

static thimble_client_status read_ports(thimble_client *client, tc_json *json, thimble_client_port *ports, size_t *count) {
  if (!tc_json_open(json, '[')) return tc_not_understood(client, "a list of tensors is none");
  for (*count = 0; tc_json_element(json); ++*count) {
    tensor entry;
    if (!read_tensor(json, &entry) || entry.is_strings) return tc_not_understood(client, "a tensor without a name, datatype or shape");
    if (*count == THIMBLE_CLIENT_TENSORS_MAX)
      return tc_fail(client, THIMBLE_CLIENT_TOO_LARGE, "the model has more than %d tensors", THIMBLE_CLIENT_TENSORS_MAX);
    thimble_client_port *port = &ports[*count];
    if (!tc_text_copy(entry.name, port->name, sizeof port->name, false))
      return tc_fail(client, THIMBLE_CLIENT_TOO_LARGE, "the name of a tensor has more than 127 bytes");
    port->type = entry.type;
    port->rank = entry.rank;
    memcpy(port->shape, entry.shape, sizeof port->shape);
  }
  return json->failed ? tc_not_understood(client, "a list of tensors does not end") : THIMBLE_CLIENT_OK;
}

thimble_client_status tc_answer_metadata(thimble_client *client, thimble_client_model *metadata) {
  tc_json json = tc_json_of(client->json, client->json_count);
  tc_text key, text;
  if (!tc_json_open(&json, '{')) return tc_not_understood(client, "it is no JSON object");
  while (tc_json_key(&json, &key)) {
    thimble_client_status status = THIMBLE_CLIENT_OK;
    bool is_name = tc_text_equals(key, "name");
    if (is_name || tc_text_equals(key, "platform")) {
      char *to = is_name ? metadata->name : metadata->platform;
      if (tc_json_string(&json, &text)) tc_text_copy(text, to, THIMBLE_CLIENT_NAME_SIZE, true);
    } else if (tc_text_equals(key, "inputs")) {
      status = read_ports(client, &json, metadata->inputs, &metadata->input_count);
    } else if (tc_text_equals(key, "outputs")) {
      status = read_ports(client, &json, metadata->outputs, &metadata->output_count);
    } else {
      tc_json_skip(&json);
    }
    if (status != THIMBLE_CLIENT_OK) return status;
  }
  return tc_json_ends(&json) && metadata->name[0] ? THIMBLE_CLIENT_OK : tc_not_understood(client, "it describes no model");
}

thimble_client_status tc_answer_models(thimble_client *client, char *names, size_t capacity, size_t *count) {
  tc_json json = tc_json_of(client->json, client->json_count);
  size_t used = 0;
  if (!enter(&json, "models")) return tc_not_understood(client, "there is no list of models");
  while (tc_json_element(&json)) {
    tc_text text;
    if (!tc_json_string(&json, &text)) return tc_not_understood(client, "a model's name is no text");
    if (!tc_text_copy(text, names + used, capacity - used, false))
      return tc_fail(client, THIMBLE_CLIENT_TOO_LARGE, "the models' names take more than %zu bytes", capacity);
    used += strlen(names + used) + 1;
    ++*count;
  }
  return json.failed ? tc_not_understood(client, "the list of models does not end") : THIMBLE_CLIENT_OK;
}
