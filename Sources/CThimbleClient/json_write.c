#include <stdio.h>
#include <string.h>

#include "json.h"

static void write_bytes(tc_writer *writer, const char *bytes, size_t count) {
  if (writer->failed || count > writer->capacity - writer->count)
    writer->failed = true;
  else
    memcpy(writer->bytes + writer->count, bytes, count);
  writer->count += count;
}

void tc_write(tc_writer *writer, const char *text) { write_bytes(writer, text, strlen(text)); }

void tc_write_integer(tc_writer *writer, int64_t value) {
  char digits[24];
  write_bytes(writer, digits, (size_t)snprintf(digits, sizeof digits, "%lld", (long long)value));
}

void tc_write_string(tc_writer *writer, const char *text) {
  tc_write(writer, "\"");
  for (; *text; text++) {
    char escape[8];
    if (*text == '"' || *text == '\\')
      write_bytes(writer, (char[]){'\\', *text}, 2);
    else if ((unsigned char)*text < 0x20)
      write_bytes(writer, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*text));
    else
      write_bytes(writer, text, 1);
  }
  tc_write(writer, "\"");
}

void tc_write_quoted(tc_writer *writer, const char *text) {
  for (; *text; text++) {
    unsigned char byte = (unsigned char)*text;
    char escape[4];
    bool plain = (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') || strchr("-._~", byte);
    if (plain)
      write_bytes(writer, text, 1);
    else
      write_bytes(writer, escape, (size_t)snprintf(escape, sizeof escape, "%%%02X", byte));
  }
}
