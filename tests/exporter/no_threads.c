/*
 * For LD_PRELOAD: no new thread for a while, as in a pod that has used up its process ids.
 *
 * While there is a file named by NO_THREADS, a process that has as many threads as the file says
 * gets no other: pthread_create returns EAGAIN, as it does at the kernel's own limit.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef int (*create_function)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* How many threads there may be; -1 without a limit. */
static int most_threads(void)
{
    const char *name = getenv("NO_THREADS");
    FILE *file = name ? fopen(name, "re") : NULL;
    int most = -1;
    if (file) {
        if (fscanf(file, "%d", &most) != 1)
            most = 0;
        fclose(file);
    }
    return most;
}

static int threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = -2; /* . and .. */
    if (!tasks)
        return 0;
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*begin)(void *),
                   void *argument)
{
    static create_function create;
    int most = most_threads();
    if (most >= 0 && threads() >= most)
        return EAGAIN;
    if (!create)
        create = (create_function)dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attributes, begin, argument);
}
