#include <string.h>
#include <strings.h>

#include "client.h"

size_t tc_head_count(const char *bytes, size_t count) {
  for (size_t i = 3; i < count; i++)
    if (bytes[i] == '\n' && memcmp(bytes + i - 3, "\r\n\r\n", 4) == 0) return i + 1;
  return 0;
}

// A decimal number of nothing but digits, SIZE_MAX for none.
static size_t decimal(tc_text text) {
  size_t value = 0;
  if (text.count == 0) return SIZE_MAX;
  for (size_t i = 0; i < text.count; i++) {
    if (text.start[i] < '0' || text.start[i] > '9') return SIZE_MAX;
    size_t digit = (size_t)(text.start[i] - '0');
    if (value > (SIZE_MAX / 2 - digit) / 10) return SIZE_MAX;
    value = value * 10 + digit;
  }
  return value;
}

static bool is_named(tc_text text, const char *name) {
  return text.count == strlen(name) && strncasecmp(text.start, name, text.count) == 0;
}

static tc_text trimmed(const char *start, const char *end) {
  while (start < end && (*start == ' ' || *start == '\t')) start++;
  while (end > start && (end[-1] == ' ' || end[-1] == '\t')) end--;
  return (tc_text){start, (size_t)(end - start)};
}

static bool parse_field(tc_head *head, tc_text name, tc_text value) {
  size_t *count = is_named(name, "Content-Length")                    ? &head->body_count
                  : is_named(name, "Inference-Header-Content-Length") ? &head->json_count
                                                                      : NULL;
  if (count) {
    size_t number = decimal(value);
    // Twice the same field is no daemon's doing.
    if (number == SIZE_MAX || *count != SIZE_MAX) return false;
    *count = number;
  } else if (is_named(name, "Connection")) {
    head->keeps_alive = !is_named(value, "close");
  } else if (is_named(name, "Retry-After")) {
    size_t seconds = decimal(value);
    head->retry_after_seconds = seconds < 86400 ? (int)seconds : -1;
  }
  return !is_named(name, "Transfer-Encoding");
}

bool tc_head_parse(const char *bytes, size_t count, tc_head *head) {
  *head = (tc_head){.keeps_alive = true, .body_count = SIZE_MAX, .json_count = SIZE_MAX, .retry_after_seconds = -1};
  if (count < 17 || memcmp(bytes, "HTTP/1.1 ", 9) != 0 || (bytes[12] != ' ' && bytes[12] != '\r')) return false;
  size_t status = decimal((tc_text){bytes + 9, 3});
  if (status < 100 || status > 599) return false;
  head->status = (int)status;
  const char *end = bytes + count - 2, *line = memchr(bytes, '\n', count);
  for (line++; line < end;) {
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    if (!newline || newline[-1] != '\r') return false;
    const char *colon = memchr(line, ':', (size_t)(newline - line));
    if (!colon || !parse_field(head, (tc_text){line, (size_t)(colon - line)}, trimmed(colon + 1, newline - 1))) return false;
    line = newline + 1;
  }
  if (status < 200) return true;
  return head->body_count != SIZE_MAX && (head->json_count == SIZE_MAX || head->json_count <= head->body_count);
}
