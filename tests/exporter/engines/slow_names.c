/* A C library whose names under .slow take as long as the control file exists, and are this host.
 *
 * Preloaded, it stands before the C library's own getaddrinfo, to which it hands all other names.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int look_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    look_fn *look = (look_fn *)dlsym(RTLD_NEXT, "getaddrinfo");
    const char *control = getenv("SLOW_NAMES");
    size_t length = node ? strlen(node) : 0;
    int slow = length > 5 && strcmp(node + length - 5, ".slow") == 0;

    if (!slow || (hints && hints->ai_flags & AI_NUMERICHOST))
        return look(node, service, hints, found);
    while (control && access(control, F_OK) == 0)
        usleep(20000);
    return look("127.0.0.1", service, hints, found);
}
