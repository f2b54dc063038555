/* Error numbers, both ways. */
#include "macrun.h"

__thread int darwin_errno;

/* Those that differ, and that Darwin has. */
static const struct {
  int linux_error, darwin_error;
} numbers[] = {
    {EAGAIN, D_EAGAIN},
    {EDEADLK, D_EDEADLK},
    {ENAMETOOLONG, D_ENAMETOOLONG},
    {ENOLCK, D_ENOLCK},
    {ENOSYS, D_ENOSYS},
    {ENOTEMPTY, D_ENOTEMPTY},
    {ELOOP, D_ELOOP},
    {ENOMSG, D_ENOMSG},
    {EIDRM, D_EIDRM},
    {ENOSTR, D_ENOSTR},
    {ENODATA, D_ENODATA},
    {ETIME, D_ETIME},
    {ENOSR, D_ENOSR},
    {EREMOTE, D_EREMOTE},
    {ENOLINK, D_ENOLINK},
    {EPROTO, D_EPROTO},
    {EMULTIHOP, D_EMULTIHOP},
    {EBADMSG, D_EBADMSG},
    {EOVERFLOW, D_EOVERFLOW},
    {EILSEQ, D_EILSEQ},
    {EUSERS, D_EUSERS},
    {ENOTSOCK, D_ENOTSOCK},
    {EDESTADDRREQ, D_EDESTADDRREQ},
    {EMSGSIZE, D_EMSGSIZE},
    {EPROTOTYPE, D_EPROTOTYPE},
    {ENOPROTOOPT, D_ENOPROTOOPT},
    {EPROTONOSUPPORT, D_EPROTONOSUPPORT},
    {ESOCKTNOSUPPORT, D_ESOCKTNOSUPPORT},
    {EOPNOTSUPP, D_EOPNOTSUPP},
    {EPFNOSUPPORT, D_EPFNOSUPPORT},
    {EAFNOSUPPORT, D_EAFNOSUPPORT},
    {EADDRINUSE, D_EADDRINUSE},
    {EADDRNOTAVAIL, D_EADDRNOTAVAIL},
    {ENETDOWN, D_ENETDOWN},
    {ENETUNREACH, D_ENETUNREACH},
    {ENETRESET, D_ENETRESET},
    {ECONNABORTED, D_ECONNABORTED},
    {ECONNRESET, D_ECONNRESET},
    {ENOBUFS, D_ENOBUFS},
    {EISCONN, D_EISCONN},
    {ENOTCONN, D_ENOTCONN},
    {ESHUTDOWN, D_ESHUTDOWN},
    {ETOOMANYREFS, D_ETOOMANYREFS},
    {ETIMEDOUT, D_ETIMEDOUT},
    {ECONNREFUSED, D_ECONNREFUSED},
    {EHOSTDOWN, D_EHOSTDOWN},
    {EHOSTUNREACH, D_EHOSTUNREACH},
    {EALREADY, D_EALREADY},
    {EINPROGRESS, D_EINPROGRESS},
    {ESTALE, D_ESTALE},
    {EDQUOT, D_EDQUOT},
    {ECANCELED, D_ECANCELED},
    {EOWNERDEAD, D_EOWNERDEAD},
    {ENOTRECOVERABLE, D_ENOTRECOVERABLE},
};

/* An error that Darwin does not have is EINVAL. */
int darwin_error(int linux_error) {
  for (size_t i = 0; i < LENGTH(numbers); i++)
    if (numbers[i].linux_error == linux_error) return numbers[i].darwin_error;
  return linux_error < D_EAGAIN ? linux_error : D_EINVAL;
}

int linux_error(int darwin_error) {
  if (darwin_error == D_ENOTSUP) return EOPNOTSUPP;
  for (size_t i = 0; i < LENGTH(numbers); i++)
    if (numbers[i].darwin_error == darwin_error) return numbers[i].linux_error;
  return darwin_error;
}

/* What <errno.h> of Darwin makes of `errno`. */
int *mac___error(void) {
  if (errno) darwin_errno = darwin_error(errno);
  errno = 0;
  return &darwin_errno;
}

char *mac_strerror(int error) { return strerror(linux_error(error)); }

/* The POSIX one; strerror_r under _GNU_SOURCE is another function. */
int __xpg_strerror_r(int error, char *text, size_t size);
int mac_strerror_r(int error, char *text, size_t size) {
  return darwin_error(__xpg_strerror_r(linux_error(error), text, size));
}

void mac_perror(const char *what) { fprintf(stderr, "%s: %s\n", what, mac_strerror(*mac___error())); }
