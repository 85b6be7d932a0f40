#include <string.h>

#include "json.h"

// Deeper than any answer; documents that nest deeper are malformed.
enum { depth_max = 32 };

tc_json tc_json_of(const char *bytes, size_t count) { return (tc_json){bytes, bytes + count, false, false}; }

static bool fail(tc_json *json) {
  json->failed = true;
  return false;
}

// The next byte that is no white space, or 0 at the end; it is not taken.
static char peek(tc_json *json) {
  while (json->next < json->end && (*json->next == ' ' || *json->next == '\t' || *json->next == '\n' || *json->next == '\r'))
    json->next++;
  return json->failed || json->next == json->end ? 0 : *json->next;
}

static bool take(tc_json *json, char byte) {
  if (peek(json) != byte || byte == 0) return fail(json);
  json->next++;
  return true;
}

bool tc_json_open(tc_json *json, char bracket) {
  json->first = true;
  return take(json, bracket);
}

// Whether another element follows in what `close` ends.
static bool more(tc_json *json, char close) {
  bool first = json->first;
  json->first = false;
  char byte = peek(json);
  if (byte == close && !json->failed) {
    json->next++;
    return false;
  }
  return first ? !json->failed : take(json, ',');
}

bool tc_json_key(tc_json *json, tc_text *key) { return more(json, '}') && tc_json_string(json, key) && take(json, ':'); }

bool tc_json_element(tc_json *json) { return more(json, ']'); }

bool tc_json_at_string(tc_json *json) { return peek(json) == '"'; }

bool tc_json_string(tc_json *json, tc_text *text) {
  if (!take(json, '"')) return false;
  const char *start = json->next;
  for (; json->next < json->end; json->next++) {
    if ((unsigned char)*json->next < 0x20) break;
    if (*json->next == '"') {
      *text = (tc_text){start, (size_t)(json->next++ - start)};
      return true;
    }
    // What is escaped is looked at when the text is copied.
    if (*json->next == '\\' && ++json->next == json->end) break;
  }
  return fail(json);
}

bool tc_json_integer(tc_json *json, int64_t *value) {
  bool negative = peek(json) == '-';
  if (negative) json->next++;
  const char *start = json->next;
  uint64_t sum = 0;
  while (json->next < json->end && *json->next >= '0' && *json->next <= '9') {
    uint64_t digit = (uint64_t)(*json->next - '0');
    if (sum > (INT64_MAX - digit) / 10) return fail(json);
    sum = sum * 10 + digit;
    json->next++;
  }
  bool fraction = json->next < json->end && (*json->next == '.' || *json->next == 'e' || *json->next == 'E');
  if (json->failed || json->next == start || fraction) return fail(json);
  *value = negative ? -(int64_t)sum : (int64_t)sum;
  return true;
}

bool tc_json_true_or_false(tc_json *json, bool *value) {
  *value = peek(json) == 't';
  const char *word = *value ? "true" : "false";
  size_t count = strlen(word);
  if (json->failed || (size_t)(json->end - json->next) < count || memcmp(json->next, word, count) != 0) return fail(json);
  json->next += count;
  return true;
}

// Numbers, true, false and null are skipped as words; what they hold is of no interest.
static bool skip_word(tc_json *json) {
  const char *start = json->next;
  while (json->next < json->end && (strchr("+-.", *json->next) || (*json->next >= '0' && *json->next <= '9') ||
                                    (*json->next >= 'a' && *json->next <= 'z') || *json->next == 'E') &&
         *json->next != 0)
    json->next++;
  return json->next > start || fail(json);
}

bool tc_json_skip(tc_json *json) {
  char closing[depth_max];
  int depth = 0;
  bool first = false;
  do {
    // The next value, or the end of the innermost list.
    if (depth > 0) {
      json->first = first;
      tc_text key;
      bool has_more = closing[depth - 1] == '}' ? tc_json_key(json, &key) : tc_json_element(json);
      if (json->failed) return false;
      first = false;
      if (!has_more) {
        depth--;
        continue;
      }
    }
    char byte = peek(json);
    if (byte == '{' || byte == '[') {
      if (depth == depth_max) return fail(json);
      json->next++;
      closing[depth++] = byte == '{' ? '}' : ']';
      first = true;
    } else if (byte == '"') {
      tc_text text;
      if (!tc_json_string(json, &text)) return false;
    } else if (byte == 0 || !skip_word(json)) {
      return fail(json);
    }
  } while (depth > 0);
  json->first = false;
  return true;
}

bool tc_json_ends(tc_json *json) { return peek(json) == 0 && json->next == json->end && !json->failed; }

bool tc_text_equals(tc_text text, const char *word) {
  return strlen(word) == text.count && memcmp(text.start, word, text.count) == 0;
}

// Four hexadecimal digits at `at`, or -1.
static int32_t code_unit(tc_text text, size_t at) {
  if (text.count < 4 || at > text.count - 4) return -1;
  int32_t value = 0;
  for (size_t i = at; i < at + 4; i++) {
    char c = text.start[i];
    int32_t digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

static size_t utf8(uint32_t point, char bytes[4]) {
  if (point < 0x80) return bytes[0] = (char)point, 1;
  size_t count = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  for (size_t i = count - 1; i > 0; i--, point >>= 6) bytes[i] = (char)(0x80 | (point & 0x3F));
  bytes[0] = (char)((count == 2 ? 0xC0 : count == 3 ? 0xE0 : 0xF0) | point);
  return count;
}

// The character of the escape whose backslash stands at `*at`; `*at` goes behind it. Returns its bytes, 0 for none.
static size_t escaped(tc_text text, size_t *at, char bytes[4]) {
  static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  if (text.count - *at < 2) return 0;
  char name = text.start[*at + 1];
  *at += 2;
  const char *found = name ? strchr(names, name) : NULL;
  if (found) return bytes[0] = meanings[found - names], 1;
  int32_t unit = name == 'u' ? code_unit(text, *at) : -1;
  // A NUL would end the text early.
  if (unit <= 0 || (unit >= 0xDC00 && unit < 0xE000)) return 0;
  *at += 4;
  if (unit < 0xD800 || unit >= 0xE000) return utf8((uint32_t)unit, bytes);
  if (text.count - *at < 6 || text.start[*at] != '\\' || text.start[*at + 1] != 'u') return 0;
  int32_t low = code_unit(text, *at + 2);
  if (low < 0xDC00 || low >= 0xE000) return 0;
  *at += 6;
  return utf8(0x10000 + (((uint32_t)unit - 0xD800) << 10) + ((uint32_t)low - 0xDC00), bytes);
}

bool tc_text_copy(tc_text text, char *to, size_t capacity, bool cut) {
  if (capacity == 0) return false;
  size_t count = 0, at = 0;
  while (at < text.count) {
    char bytes[4] = {text.start[at]};
    size_t width = 1;
    if (bytes[0] == '\\')
      width = escaped(text, &at, bytes);
    else
      at++;
    if (width == 0) return to[0] = 0, false;
    if (width > capacity - 1 - count) {
      to[count] = 0;
      return cut;
    }
    memcpy(to + count, bytes, width);
    count += width;
  }
  to[count] = 0;
  return true;
}
