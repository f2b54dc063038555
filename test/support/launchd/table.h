/*
 * What both sides of the launchd stand-in know. A job gets the table as descriptor 3 and the sockets of all names, in
 * its order, as 4, 5, ...: no environment variable, and nothing for the job's children to see after an activation.
 */
#include <stdint.h>

enum { TABLE_FD = 3, FIRST_SOCKET = 4 };

#define TABLE_MAGIC "launchd stand-in 1\n"

/* Followed by `length` bytes: for each name the name and the decimal number of its sockets, each ended by a NUL. */
struct table {
  char magic[sizeof TABLE_MAGIC];
  int32_t pid;
  int32_t sockets;
  int32_t length;
};

/* Returned by standin_*() beside -errno, and known to library.ts. */
enum { UNKNOWN_NAME = -10000, UNKNOWN_USER = -10001, UNKNOWN_GROUP = -10002 };
