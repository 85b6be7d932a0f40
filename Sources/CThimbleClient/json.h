// JSON read in place and written into a buffer: no allocation, no recursion.
#ifndef THIMBLE_CLIENT_JSON_H
#define THIMBLE_CLIENT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Text in a larger buffer. A string's is what stands between the quotation marks, escapes and all.
typedef struct {
  const char *start;
  size_t count;
} tc_text;

// Reads one value after another. `failed` stays set once something is not JSON or of another kind than asked for; then all
// functions return false.
typedef struct {
  const char *next, *end;
  bool failed;
  // Whether the object or array that was entered last has given no element yet.
  bool first;
} tc_json;

tc_json tc_json_of(const char *bytes, size_t count);

// '{' or '['; then `tc_json_key` or `tc_json_element` until false, each followed by reading or skipping the value.
bool tc_json_open(tc_json *json, char bracket);
bool tc_json_key(tc_json *json, tc_text *key);
bool tc_json_element(tc_json *json);

// Whether the next value is a string.
bool tc_json_at_string(tc_json *json);
bool tc_json_string(tc_json *json, tc_text *text);
// A whole number that int64_t holds.
bool tc_json_integer(tc_json *json, int64_t *value);
bool tc_json_true_or_false(tc_json *json, bool *value);
bool tc_json_skip(tc_json *json);
// Whether nothing but white space is left, and nothing failed.
bool tc_json_ends(tc_json *json);

bool tc_text_equals(tc_text text, const char *word);
// Resolves escapes into `to`, with a NUL. False where it does not fit, `cut` being false; else as much as fits.
bool tc_text_copy(tc_text text, char *to, size_t capacity, bool cut);

// Text that is put together; `failed` where it does not fit, and `count` goes on as if it did.
typedef struct {
  char *bytes;
  size_t capacity, count;
  bool failed;
} tc_writer;

void tc_write(tc_writer *writer, const char *text);
void tc_write_integer(tc_writer *writer, int64_t value);
// In quotation marks, escaped.
void tc_write_string(tc_writer *writer, const char *text);
// As part of a URL's path.
void tc_write_quoted(tc_writer *writer, const char *text);

#endif
