/* Names of hosts and interfaces (<netdb.h>, <arpa/inet.h>, <ifaddrs.h>). */
#include "macrun.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

struct d_addrinfo {
  int flags, family, type, protocol;
  socklen_t length;
  char *canonical;
  void *address;
  struct d_addrinfo *next;
};

static int darwin_lookup_error(int error) {
  switch (error) {
  case EAI_AGAIN: return D_EAI_AGAIN;
  case EAI_BADFLAGS: return D_EAI_BADFLAGS;
  case EAI_FAIL: return D_EAI_FAIL;
  case EAI_FAMILY: return D_EAI_FAMILY;
  case EAI_MEMORY: return D_EAI_MEMORY;
  case EAI_SERVICE: return D_EAI_SERVICE;
  case EAI_SOCKTYPE: return D_EAI_SOCKTYPE;
  case EAI_SYSTEM: return D_EAI_SYSTEM;
  default: return D_EAI_NONAME;
  }
}

static int linux_lookup_flags(int flags) {
  return (flags & D_AI_PASSIVE ? AI_PASSIVE : 0) | (flags & D_AI_CANONNAME ? AI_CANONNAME : 0) |
         (flags & D_AI_NUMERICHOST ? AI_NUMERICHOST : 0) | (flags & D_AI_NUMERICSERV ? AI_NUMERICSERV : 0) |
         (flags & D_AI_ALL ? AI_ALL : 0) | (flags & D_AI_ADDRCONFIG ? AI_ADDRCONFIG : 0) |
         (flags & D_AI_V4MAPPED ? AI_V4MAPPED : 0);
}

int mac_getaddrinfo(const char *host, const char *service, const struct d_addrinfo *hints, struct d_addrinfo **result) {
  struct addrinfo l = {0}, *found = NULL;
  if (hints) {
    l.ai_flags = linux_lookup_flags(hints->flags);
    l.ai_family = linux_family(hints->family);
    l.ai_socktype = hints->type;
    l.ai_protocol = hints->protocol;
  }
  int error = getaddrinfo(host, service, hints ? &l : NULL, &found);
  if (error) return darwin_lookup_error(error);
  struct d_addrinfo **end = result;
  *result = NULL;
  for (struct addrinfo *one = found; one; one = one->ai_next) {
    struct sockaddr_storage address = {0};
    struct d_addrinfo *d = calloc(1, sizeof *d + sizeof address);
    memcpy(&address, one->ai_addr, one->ai_addrlen);
    *d = (struct d_addrinfo){.family = darwin_family(one->ai_family),
                             .type = one->ai_socktype,
                             .protocol = one->ai_protocol,
                             .length = sizeof address,
                             .canonical = one->ai_canonname ? strdup(one->ai_canonname) : NULL,
                             .address = d + 1};
    darwin_address(&address, one->ai_addrlen, d->address, &d->length);
    *end = d;
    end = &d->next;
  }
  freeaddrinfo(found);
  return 0;
}
void mac_freeaddrinfo(struct d_addrinfo *first) {
  for (struct d_addrinfo *next, *one = first; one; one = next) {
    next = one->next;
    free(one->canonical);
    free(one);
  }
}

const char *mac_inet_ntop(int family, const void *from, char *to, socklen_t size) {
  return inet_ntop(linux_family(family), from, to, size);
}
int mac_inet_pton(int family, const char *from, void *to) { return inet_pton(linux_family(family), from, to); }

/* In place: of a link's address (sockaddr_dl) the MAC goes to where its name ends, of the others only the start
 * changes. */
static void translate(struct sockaddr *address) {
  enum { ETHERNET = 6, LINK_LENGTH = 20 };
  if (!address) return;
  int family = address->sa_family;
  u8 *bytes = (u8 *)address, mac[6];
  if (family == AF_PACKET) {
    memcpy(mac, bytes + 12, sizeof mac); /* sll_addr */
    memset(bytes, 0, LINK_LENGTH);
    bytes[4] = ETHERNET;   /* sdl_type */
    bytes[6] = sizeof mac; /* sdl_alen */
    memcpy(bytes + 8, mac, sizeof mac);
  }
  bytes[0] = family == AF_INET6    ? sizeof(struct sockaddr_in6)
             : family == AF_PACKET ? LINK_LENGTH
                                   : sizeof(struct sockaddr_in);
  bytes[1] = darwin_family(family);
}
int mac_getifaddrs(struct ifaddrs **list) {
  /* UP, BROADCAST, DEBUG, LOOPBACK, POINTOPOINT and RUNNING have the same bits; MULTICAST is another. */
  enum { SAME = 0x5f, D_IFF_MULTICAST = 0x8000 };
  int result = getifaddrs(list);
  if (result != 0) return result;
  for (struct ifaddrs *i = *list; i; i = i->ifa_next) {
    translate(i->ifa_addr);
    translate(i->ifa_netmask);
    if (i->ifa_dstaddr != i->ifa_addr) translate(i->ifa_dstaddr);
    i->ifa_flags = (i->ifa_flags & SAME) | (i->ifa_flags & IFF_MULTICAST ? D_IFF_MULTICAST : 0);
  }
  return 0;
}
void mac_freeifaddrs(struct ifaddrs *list) { freeifaddrs(list); }
